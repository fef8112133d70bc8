"""The service's own figures, read from its page of metrics: counts, shares and latencies since it started."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
_SERVER_ERRORS = "5"


@dataclass(frozen=True, slots=True)
class Figures:
    """What a page of metrics says.

    Attributes:
        requests: Answered by the routes that judge photos, by class of status such as `2`.
        verdicts: By label and policy.
        review: Verdicts that a person should look at.
        problems: By code.
        waiting: Photos accepted and not finished.
        store_up: None where the page does not tell.
        lost: Predictions that were lost.
        median_s: Half of the photos were answered within; None without any.
        p95_s: 95 % of them were.
    """

    requests: Mapping[str, float]
    verdicts: Mapping[tuple[str, str], float]
    review: float
    problems: Mapping[str, float]
    waiting: float
    store_up: bool | None
    lost: float
    median_s: float | None
    p95_s: float | None

    @property
    def asked(self) -> float:
        """All requests for verdicts."""
        return sum(self.requests.values())

    @property
    def judged(self) -> float:
        """All verdicts."""
        return sum(self.verdicts.values())

    @property
    def fakes(self) -> float:
        """Verdicts `ai_generated`."""
        return sum(count for (label, _), count in self.verdicts.items() if label == "ai_generated")

    @property
    def refused(self) -> float:
        """Requests that the sender could mend."""
        return self.requests.get("4", 0.0)

    @property
    def failed(self) -> float:
        """Requests that the service failed."""
        return self.requests.get(_SERVER_ERRORS, 0.0)


def read_figures(page: str) -> Figures:
    """Read a page of metrics.

    Args:
        page: In Prometheus' text format.

    Raises:
        ValueError: It is not.
    """
    samples: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            samples.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    requests: dict[str, float] = {}
    for labels, value in samples.get("detector_requests_total", {}).items():
        told = dict(labels)
        if _judges(told.get("route", "")):
            kind = told.get("status", "")[:1]
            requests[kind] = requests.get(kind, 0.0) + value
    verdicts = {
        (dict(labels).get("label", ""), dict(labels).get("policy", "")): value
        for labels, value in samples.get("detector_verdicts_total", {}).items()
    }
    problems = {
        dict(labels).get("code", ""): value
        for labels, value in samples.get("detector_errors_total", {}).items()
        if value > 0
    }
    buckets = _buckets(samples.get("detector_request_seconds_bucket", {}))
    store = _one(samples, "detector_store_up")
    return Figures(
        requests=requests,
        verdicts=verdicts,
        review=_one(samples, "detector_needs_review_total") or 0.0,
        problems=dict(sorted(problems.items(), key=lambda item: -item[1])),
        waiting=_one(samples, "detector_queue_depth") or 0.0,
        store_up=None if store is None else store > 0,
        lost=_one(samples, "detector_store_lost") or 0.0,
        median_s=quantile(buckets, 0.5),
        p95_s=quantile(buckets, 0.95),
    )


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """Estimate a quantile of a histogram, as Prometheus' `histogram_quantile` does.

    Args:
        buckets: Upper bound -> observations up to it; the last bound is infinity.
        share: From 0 to 1.

    Returns:
        The value, straight between a bucket's bounds; None without observations.
    """
    total = buckets.get(math.inf, 0.0)
    if total <= 0:
        return None
    below, before = 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        if count >= share * total:
            if math.isinf(bound):
                return below
            return below + (bound - below) * (share * total - before) / (count - before)
        below, before = bound, count
    return below


def _buckets(samples: Mapping[Labels, float]) -> dict[float, float]:
    found: dict[float, float] = {}
    for labels, value in samples.items():
        told = dict(labels)
        if told.get("route", "").removeprefix("/v1") == "/predict":
            bound = float(told.get("le", "inf"))
            found[bound] = found.get(bound, 0.0) + value
    return found


def _judges(route: str) -> bool:
    return route.removeprefix("/v1").startswith(("/predict", "/explain")) and "/predictions" not in route


def _one(samples: Mapping[str, Mapping[Labels, float]], name: str) -> float | None:
    found = samples.get(name)
    return next(iter(found.values())) if found else None
