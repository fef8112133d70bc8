"""Service and page as a person meets them: both behind real sockets of this machine, stopped at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from src.utils.settings import Settings
from tests.deploy.servers import free_port, serving
from tests.support.live import live
from tests.support.service import quiet_settings

REPO = Path(__file__).parents[2]


def service_settings(model: Path, folder: Path, **changes: Any) -> Settings:
    """Settings of a service that keeps predictions, and photos for review, below `folder`."""
    fields: dict[str, Any] = {
        "store_url": f"sqlite:///{folder / 'detector.db'}",
        "spool_dir": folder / "spool",
        "store_images": str(folder / "images"),
    }
    return quiet_settings(model, **(fields | changes))


@contextmanager
def page(api_url: str, folder: Path, **variables: str) -> Iterator[str]:
    """Run the page against a service while a block runs; yields its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(REPO / "src/ui/app.py")]
    command += ["--server.address=127.0.0.1", f"--server.port={port}"]
    # HOME: no settings of the person who runs the tests, and none left behind.
    changes = {"DETECTOR_UI_API_URL": api_url, "HOME": str(folder), **variables}
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        with serving(command, f"{url}/_stcore/health", folder / "page.log"):
            yield url
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def service_and_page(settings: Settings, folder: Path, **variables: str) -> Iterator[tuple[str, str]]:
    """Run both; yields the addresses of service and page."""
    with live(settings) as api_url, page(api_url, folder, **variables) as url:
        yield api_url, url
