"""Which version of this package runs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def package_version() -> str:
    """Return the installed version, or `0+source` for a checkout that was never installed."""
    try:
        return version("ai-product-photo-detector")
    except PackageNotFoundError:
        return "0+source"
