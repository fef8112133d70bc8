"""Where a request's time went, for a collector of traces; this is what the service calls, and does nothing.

`tracing.make_tracing` gives the one that does something, where an endpoint is set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager


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
