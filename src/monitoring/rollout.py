"""Metrics of models that come and go: what is loaded, what was refused, champion against challenger."""

from __future__ import annotations

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Role = Literal["champion", "challenger"]

_DIFFERENCES = (-0.5, -0.25, -0.1, -0.05, -0.02, 0.0, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


class RolloutMetrics:
    """Counts of one app, in the registry of its other metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._looks = Counter(
            "detector_model_changes",
            "Looks at the registry that changed something or failed: swapped, refused, unreachable, gone",
            ("role", "outcome"),
            registry=registry,
        )
        self._version = Gauge(
            "detector_model_registry_version",
            "Version in the registry of the model that is loaded; 0 for none, or for a plain file",
            ("role",),
            registry=registry,
        )
        self._answers = Counter(
            "detector_answers_by_model",
            "Photos judged for a reply, by the model's role",
            ("role",),
            registry=registry,
        )
        self._shadow = Counter(
            "detector_shadow",
            "Photos for the second model: agree or differ in the label, dropped when behind, failed",
            ("outcome",),
            registry=registry,
        )
        self._difference = Histogram(
            "detector_shadow_difference",
            "Challenger's probability of AI-generated minus the champion's, for the same photo",
            buckets=_DIFFERENCES,
            registry=registry,
        )

    def changed(self, role: Role, outcome: Literal["swapped", "refused", "unreachable", "gone"]) -> None:
        """A look at the registry changed something, or failed."""
        self._looks.labels(role, outcome).inc()

    def loaded(self, role: Role, version: int) -> None:
        """This version is loaded from now on; 0 when none is, or a plain file."""
        self._version.labels(role).set(version)

    def answered(self, role: Role) -> None:
        """A photo was judged for a reply."""
        self._answers.labels(role).inc()

    def compared(self, *, agree: bool, difference: float) -> None:
        """Both models judged one photo; `difference` is the challenger's probability minus the champion's."""
        self._shadow.labels("agree" if agree else "differ").inc()
        self._difference.observe(difference)

    def not_compared(self, outcome: Literal["dropped", "failed"]) -> None:
        """A photo was not judged by the second model."""
        self._shadow.labels(outcome).inc()
