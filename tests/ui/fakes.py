"""A service that a test writes the answers of: what the page asks, and what it is told."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from src.client import (
    ApiError,
    Attribution,
    Drift,
    Evidence,
    Explanation,
    Health,
    KeptFeedback,
    KeptPrediction,
    Model,
    Origin,
    Prediction,
    ReviewPage,
    Signal,
    Stability,
)
from src.utils.model_report import Curve, Estimate, ModelReport, PolicyFigures, ReliabilityBin, ThresholdRow
from tests.support.pictures import photo_bytes
from tests.support.tiny_model import tiny_card

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
METRICS = """\
detector_requests_total{route="/v1/predict",method="POST",status="200"} 8
detector_requests_total{route="/v1/predict",method="POST",status="415"} 2
detector_requests_total{route="/health",method="GET",status="200"} 90
detector_verdicts_total{label="ai_generated",policy="balanced"} 2
detector_verdicts_total{label="real",policy="balanced"} 6
detector_needs_review_total 1
detector_errors_total{code="unsupported_format"} 2
detector_request_seconds_bucket{route="/v1/predict",le="0.05"} 5
detector_request_seconds_bucket{route="/v1/predict",le="0.1"} 10
detector_request_seconds_bucket{route="/v1/predict",le="+Inf"} 10
detector_queue_depth 0
detector_store_up 1
"""
STRONG = Signal(
    kind="generator_parameters",
    says="ai_generated",
    strength="strong",
    reason="The file holds the generation parameters of <b>X</b>.",
)


def prediction(probability: float = 0.93, **changes: Any) -> Prediction:
    """A verdict by the tiny card's balanced policy."""
    is_fake = probability >= 0.5
    fields: dict[str, Any] = {
        "id": hashlib.sha256(str(probability).encode()).hexdigest()[:32],
        "stored": True,
        "label": "ai_generated" if is_fake else "real",
        "probability": probability,
        "confidence": probability if is_fake else 1 - probability,
        "needs_review": 0.4 <= probability < 0.6,
        "threshold": 0.5,
        "policy": "balanced",
        "model_version": "0.0.1",
        "timings_ms": {"total": 41.0},
        "provenance": Origin(label="ai_generated" if is_fake else "real", basis="pixels", needs_review=False),
        "request_id": "r" * 8,
    }
    return Prediction(**(fields | changes))


def kept(number: int, probability: float = 0.52, **changes: Any) -> KeptPrediction:
    """A prediction that waits for a person."""
    fields: dict[str, Any] = {
        "id": f"{number:032x}",
        "created_at": WHEN,
        "sha256": "0" * 64,
        "label": "ai_generated" if probability >= 0.5 else "real",
        "probability": probability,
        "logit": 0.1,
        "threshold": 0.5,
        "policy": "balanced",
        "needs_review": True,
        "model_version": "0.0.1",
        "evidence": {"provenance": {"basis": "pixels", "signals": [STRONG.model_dump()]}},
        "timings_ms": {},
        "has_image": True,
    }
    return KeptPrediction(**(fields | changes))


def report() -> ModelReport:
    """Figures of the tiny model."""
    rows = tuple(
        ThresholdRow(
            threshold=step / 10,
            false_positives=Estimate(value=1 - step / 10, low=0.9 - step * 0.09, high=1.0),
            recall=Estimate(value=1 - step / 20, low=0.4, high=1.0),
        )
        for step in range(11)
    )
    bins = (ReliabilityBin(probability=0.2, share=0.1, real=9, fake=1),)
    bins += (ReliabilityBin(probability=0.8, share=0.9, real=1, fake=9),)
    curves = tuple(
        Curve(dataset=dataset, tier="clean", photos=20, fakes=10, sources=4, rows=rows, reliability=bins)
        for dataset in ("unseen", "test")
    )
    figures = {
        "specificity": Estimate(value=0.9, low=0.85, high=0.95),
        "recall": Estimate(value=0.8, low=0.7, high=0.9),
        "auroc": Estimate(value=0.91, low=0.9, high=0.92),
    }
    policies = tuple(
        PolicyFigures(
            dataset="unseen",
            tier="clean",
            policy=name,
            photos=20,
            fakes=10,
            figures=figures,
            review_share=0.25,
        )
        for name in tiny_card().policies
    )
    return ModelReport(model_name="tiny", model_version="0.0.1", curves=curves, policies=policies)


class FakeService:
    """Answers as it is told; `fails` maps a call's name to the error that it raises.

    Attributes:
        verdicts: Outcome by the photo's bytes; `default` for all others.
        said: Feedback that was given: id, label, reviewer, reason.
        asked: Names of the calls, in order.
        stability: How every verdict holds.
        attribution: Whose every picture may be.
    """

    def __init__(self) -> None:
        self.fails: dict[str, ApiError] = {}
        self.verdicts: dict[bytes, Prediction | ApiError] = {}
        self.default: Prediction = prediction()
        self.stability = Stability(
            score=0.93, flips=False, probabilities={"jpeg_q60": 0.9, "half_size": 0.86}
        )
        self.attribution: Attribution | None = None
        self.said: list[tuple[str, str, str, str]] = []
        self.asked: list[str] = []
        self.queue: list[KeptPrediction] = []
        self.figures: ModelReport | None = None
        self.addresses = False
        self.status = "ok"
        self.watch: dict[str, Any] | None = None
        self.policies_asked: list[str | None] = []

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        if name in self.fails:
            raise self.fails[name]

    def health(self) -> Health:
        self._ask("health")
        return Health(status=self.status, model_name="tiny", model_version="0.0.1", uptime_s=3700)

    def model(self) -> Model:
        self._ask("model")
        return Model.model_validate(tiny_card().model_dump(mode="json"))

    def report(self) -> ModelReport | None:
        self._ask("report")
        return self.figures

    def takes_addresses(self) -> bool:
        self._ask("takes_addresses")
        return self.addresses

    def metrics(self) -> str:
        self._ask("metrics")
        return METRICS

    def drift(self) -> Drift:
        self._ask("drift")
        if self.watch is None:
            raise ApiError("not_found", 404, "no such page")
        return Drift.model_validate(self.watch)

    def predict(self, photo: bytes, *, policy: str | None = None, stability: bool = False) -> Prediction:
        self._ask("predict")
        self.policies_asked.append(policy)
        found = self.verdicts.get(photo, self.default)
        if isinstance(found, ApiError):
            raise found
        if stability:
            evidence = Evidence(stability=self.stability)
            review = found.needs_review or self.stability.flips
            return found.model_copy(update={"evidence": evidence, "needs_review": review})
        return found

    def predict_many(
        self,
        photos: Iterable[bytes],
        *,
        policy: str | None = None,
        stability: bool = False,
        workers: int = 4,
    ) -> Iterator[Prediction | ApiError]:
        for photo in photos:
            try:
                yield self.predict(photo, policy=policy, stability=stability)
            except ApiError as error:
                yield error

    def predict_url(self, url: str, *, policy: str | None = None, stability: bool = False) -> Prediction:
        self._ask("predict_url")
        return self.default

    def explain(self, photo: bytes, *, policy: str | None = None) -> Explanation:
        self._ask("explain")
        from base64 import b64encode

        fields = self.default.model_dump(
            include={"label", "probability", "threshold", "policy", "model_version", "request_id"}
        )
        overlay = b64encode(photo_bytes(5, (60, 40), "PNG"))
        return Explanation.model_validate(
            fields | {"heatmap": [[0.5] * 8] * 8, "overlay": overlay, "attribution": self.attribution}
        )

    def review(self, cursor: str | None = None, limit: int = 20) -> ReviewPage:
        self._ask("review")
        start = int(cursor or 0)
        items = self.queue[start : start + limit]
        more = start + limit < len(self.queue)
        return ReviewPage(items=tuple(items), next_cursor=str(start + limit) if more else None)

    def photo(self, prediction_id: str) -> bytes | None:
        self._ask("photo")
        return photo_bytes(int(prediction_id, 16), (80, 60))

    def feedback(
        self, prediction_id: str, true_label: str, *, reviewer: str, reason: str = ""
    ) -> KeptFeedback:
        self._ask("feedback")
        self.said.append((prediction_id, true_label, reviewer, reason))
        return KeptFeedback(
            id="f" * 32,
            prediction_id=prediction_id,
            true_label=true_label,  # type: ignore[arg-type]
            reviewer=reviewer,
            reason=reason,
            created_at=WHEN,
        )
