"""Turns tracing on where the settings name a collector; only then is OpenTelemetry loaded."""

from __future__ import annotations

from src.monitoring.spans import Tracing
from src.utils.errors import ConfigError
from src.utils.settings import Settings


def make_tracing(settings: Settings, version: str) -> Tracing:
    """Make the tracing that the settings ask for.

    Args:
        settings: With `otlp_endpoint`, or without.
        version: Of this package.

    Raises:
        ConfigError: There is an endpoint, and OpenTelemetry is not installed.
    """
    if not settings.otlp_endpoint:
        return Tracing()
    try:
        from src.monitoring.otel import OtelTracing  # noqa: PLC0415 - only those who trace need it
    except ImportError as error:
        raise ConfigError("DETECTOR_OTLP_ENDPOINT needs the extra `tracing`") from error
    return OtelTracing.to_endpoint(settings.otlp_endpoint, version)
