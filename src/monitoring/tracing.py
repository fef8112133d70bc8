"""Where a request's time went, for a collector of traces; this is what the service calls, and does nothing.

`make_tracing` gives the one that does something, where an endpoint is set; only then is OpenTelemetry loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from src.utils.errors import ConfigError
from src.utils.settings import Settings


class Traced:
    """One request under way.

    Attributes:
        ids: What its log lines carry: `trace_id` and `span_id`, or nothing.
    """

    ids: Mapping[str, str] = {}

    def end(self, *, route: str | None, status: int, request_id: str) -> None:
        """The request has been answered; `route` is the pattern, never the path that was asked for."""


class Tracing:
    """Tracing that is off."""

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Traced]:  # noqa: ARG002
        """Trace what happens in the block as one request; its caller's trace goes on, if it sent one."""
        yield Traced()

    def stage(self, name: str, seconds: float) -> None:
        """A stage of the request at hand ends now."""

    def judged(self, waited_s: float, timings_ms: Mapping[str, float]) -> None:
        """A photo of the request at hand has been judged.

        Args:
            waited_s: Seconds from its acceptance until now.
            timings_ms: Milliseconds of its stages `decode`, `views` and `inference`.
        """

    def close(self) -> None:
        """Send what waits to be sent; blocks until then, for a few seconds at most."""


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
