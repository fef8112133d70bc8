"""What the API answers, with the examples its description shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from src.inference.problem import MEDIA_TYPE, STATUS, Problem, problem_example
from src.inference.service import State
from src.utils.model_card import Fraction, Label

if TYPE_CHECKING:
    from src.inference.detection import Detection

EXAMPLE: dict[str, Any] = {
    "label": "ai_generated",
    "probability": 0.9731,
    "confidence": 0.9731,
    "needs_review": False,
    "threshold": 0.5,
    "policy": "balanced",
    "model_version": "1.0.0",
    "timings_ms": {"decode": 6.1, "views": 9.8, "inference": 48.3, "total": 64.4},
    "request_id": "5f0c1d2e3a4b4c5d8e9f0a1b2c3d4e5f",
}


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Evidence(_Reply):
    """Why the verdict is what it is."""

    heatmap: list[list[float]] = Field(
        description="8 rows of 8 cells over the upright photo, top left first: the probability of "
        "AI-generated that the photo would have if it looked everywhere as it does there."
    )


class Prediction(_Reply):
    """A verdict on one photo."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    label: Label
    probability: Fraction = Field(description="Calibrated probability that the photo is AI-generated.")
    confidence: Fraction = Field(description="Probability of the given label.")
    needs_review: bool = Field(
        description="The probability is so close to the threshold that a person should look."
    )
    threshold: Fraction = Field(description="From this probability on the label is `ai_generated`.")
    policy: str
    model_version: str
    timings_ms: dict[str, float] = Field(description="Milliseconds: `decode`, `views`, `inference`, `total`.")
    request_id: str
    evidence: Evidence | None = Field(default=None, description="Only when asked for by `explain=true`.")

    @classmethod
    def of(cls, detection: Detection, request_id: str, *, explain: bool) -> Prediction:
        """Shape a detection as the reply to a request."""
        shared = detection.model_dump(include=set(EXAMPLE))
        evidence = Evidence(heatmap=detection.heatmap) if explain and detection.heatmap is not None else None
        return cls(**shared, request_id=request_id, evidence=evidence)


class Health(_Reply):
    """How the service does."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"status": "ok", "model_name": "detector", "model_version": "1.0.0", "uptime_s": 12.5}
            ]
        }
    )

    status: State
    model_name: str | None = None
    model_version: str | None = None
    uptime_s: float = Field(ge=0)


class Alive(_Reply):
    """The answer of a probe."""

    status: State | str = Field(examples=["ok"])


def problems(*codes_and_details: tuple[str, str]) -> dict[int | str, dict[str, Any]]:
    """Describe a route's errors for the OpenAPI document, one example for each code."""
    responses: dict[int | str, dict[str, Any]] = {}
    for code, detail in codes_and_details:
        entry = responses.setdefault(
            STATUS[code],
            {"model": Problem, "description": "Problem", "content": {MEDIA_TYPE: {"examples": {}}}},
        )
        entry["content"][MEDIA_TYPE]["examples"][code] = {"value": problem_example(code, detail)}
    return responses
