"""Traces by OpenTelemetry, sent over OTLP/HTTP in the background: a span for a request, one for each stage.

Names and attributes follow the semantic conventions for HTTP servers. A collector that is away costs nothing
but its traces.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from src.monitoring.spans import Traced, Tracing

NAME = "product-photo-detector"
_SEND_TIMEOUT_S = 3
_STAGES = ("decode", "views", "inference")
_NS = 1_000_000_000


class OtelTracing(Tracing):
    """Tracing that is on.

    Args:
        processor: Takes the finished spans.
        version: Of this package.
    """

    def __init__(self, processor: SpanProcessor, version: str) -> None:
        # Not the process-wide provider: several apps fit into one process.
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: NAME, SERVICE_VERSION: version})
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(NAME, version)
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def to_endpoint(cls, endpoint: str, version: str) -> OtelTracing:
        """Send to a collector; `http://host:4318`, or the whole address where traces go."""
        if urlsplit(endpoint).path in {"", "/"}:
            endpoint = f"{endpoint.rstrip('/')}/v1/traces"
        return cls(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=_SEND_TIMEOUT_S)), version)

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Traced]:
        """Trace what happens in the block as one request; its caller's trace goes on, if it sent one."""
        carrier = {name: value for name in self._propagator.fields if (value := headers.get(name))}
        span = self._tracer.start_span(
            method,
            self._propagator.extract(carrier, otel_context.Context()),
            SpanKind.SERVER,
            {"http.request.method": method},
        )
        token = otel_context.attach(trace.set_span_in_context(span))
        try:
            yield _OtelTraced(span, method)
        finally:
            otel_context.detach(token)
            span.end()

    def stage(self, name: str, seconds: float) -> None:
        """A stage of the request at hand ends now."""
        now = time.time_ns()
        self._span(name, now - int(seconds * _NS), now)

    def judged(self, waited_s: float, timings_ms: Mapping[str, float]) -> None:
        """A photo of the request at hand has been judged: all its waiting first, then stage after stage."""
        end = time.time_ns()
        spans = [(name, int(timings_ms.get(name, 0.0) * 1e6)) for name in _STAGES]
        at = end - sum(length for _, length in spans)
        self._span("queue", min(at, end - int(waited_s * _NS)), at)
        for name, length in spans:
            self._span(name, at, at + length)
            at += length

    def close(self) -> None:
        """Send what waits to be sent; blocks until then, for a few seconds at most."""
        self._provider.shutdown()

    def _span(self, name: str, start: int, end: int) -> None:
        # Outside a request there is nothing that a stage could belong to.
        if trace.get_current_span().get_span_context().is_valid:
            self._tracer.start_span(name, start_time=start).end(end)


class _OtelTraced(Traced):
    def __init__(self, span: Span, method: str) -> None:
        self._span, self._method = span, method
        context = span.get_span_context()
        self.ids = {
            "trace_id": trace.format_trace_id(context.trace_id),
            "span_id": trace.format_span_id(context.span_id),
        }

    def end(self, *, route: str | None, status: int, request_id: str) -> None:
        """The request has been answered; `route` is the pattern, never the path that was asked for."""
        span = self._span
        if route is not None:
            span.update_name(f"{self._method} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)
        span.set_attribute("detector.request_id", request_id)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
