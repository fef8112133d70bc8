"""The service's Prometheus metrics: one object that the service calls, one page of text out.

Labels take few values each (routes, codes, stages, labels of verdicts): no path, id, key or client is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """All metrics of one app, in a registry of their own, so that several apps fit into one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = self._counter("requests", "Requests answered", "route", "method", "status")
        self._request_seconds = self._histogram("request_seconds", "Whole requests", _SECONDS, "route")
        self._stage_seconds = self._histogram(
            "stage_seconds",
            "Stages of one photo: queue, decode, views, inference, provenance, store",
            _SECONDS,
            "stage",
        )
        self._batch_size = self._histogram("batch_size", "Photos in one inference", _BATCHES)
        self._verdicts = self._counter("verdicts", "Verdicts given", "label", "policy")
        self._needs_review = self._counter("needs_review", "Verdicts that a person should look at")
        self._errors = self._counter("errors", "Errors answered, by their code", "code")
        self._cache = self._counter("cache", "Photos looked up by content", "outcome")
        self._stored = self._counter("predictions_recorded", "Predictions by what became of them", "outcome")
        self._unread = self._counter(
            "provenance_unread",
            "Photos answered by their pixels alone, as their metadata were not read in time",
        )
        self._webhooks = self._counter("webhooks", "Attempts to tell callers of a job's end", "outcome")
        self._limiter_failures = self._counter(
            "rate_limit_failures", "Requests let through because the counts could not be reached"
        )
        self._model = Info("detector_model", "The model that is served", registry=self.registry)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request has been answered; `route` is the pattern, never the path that was asked for."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def stage(self, name: str, seconds: float) -> None:
        """A photo has passed a stage."""
        self._stage_seconds.labels(name).observe(seconds)

    def batch(self, size: int) -> None:
        """So many photos went into one inference."""
        self._batch_size.observe(size)

    def verdict(self, label: str, policy: str, *, needs_review: bool) -> None:
        """A verdict has been given."""
        self._verdicts.labels(label, policy).inc()
        if needs_review:
            self._needs_review.inc()

    def error(self, code: str) -> None:
        """A problem of this code has been answered."""
        self._errors.labels(code).inc()

    def cache(self, *, hit: bool) -> None:
        """A photo was looked up by its content."""
        self._cache.labels("hit" if hit else "miss").inc()

    def recorded(self, *, stored: bool) -> None:
        """A prediction is durable in the store, or is not and was answered all the same."""
        self._stored.labels("stored" if stored else "not_stored").inc()

    def provenance_unread(self) -> None:
        """A photo was answered before its metadata were read."""
        self._unread.inc()

    def webhook(self, outcome: str) -> None:
        """A caller was to be told: `delivered`, `postponed`, or `failed` for good."""
        self._webhooks.labels(outcome).inc()

    def limiter_failed(self) -> None:
        """The counts of the rate limit could not be reached."""
        self._limiter_failures.inc()

    def model(self, name: str, version: str, architecture: str) -> None:
        """Another model is served from now on."""
        self._model.info({"name": name, "version": version, "architecture": architecture})

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Show a value that is read whenever somebody looks, such as the depth of a queue."""
        Gauge(f"detector_{name}", text, registry=self.registry).set_function(read)

    def watch_all(self, text: str, read: Callable[[], dict[str, float]]) -> None:
        """Show several values that are read together, by name, such as the state of the store."""
        self.registry.register(_Group(text, read))

    def page(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"detector_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"detector_{name}", text, labels, buckets=buckets, registry=self.registry)


class _Group(Collector):
    def __init__(self, text: str, read: Callable[[], dict[str, float]]) -> None:
        self._text, self._read = text, read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, value in self._read().items():
            yield GaugeMetricFamily(f"detector_{name}", self._text, value=value)

    def describe(self) -> list[GaugeMetricFamily]:
        return []  # the names are known when the values are read
