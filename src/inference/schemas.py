"""What the API answers, with the examples its description shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from src.inference.evidence import Attribution, Stability
from src.inference.problem import MEDIA_TYPE, STATUS, Problem, problem_example
from src.inference.provenance.combine import Basis, Combined
from src.inference.provenance.signals import Provenance, Signal
from src.utils.model_card import Fraction, Label

if TYPE_CHECKING:
    from src.inference.detection import Detection
    from src.store.records import PredictionRecord

State = Literal["starting", "ok", "failed", "draining", "stopping"]

_JUDGED: dict[str, Any] = {
    "label": "ai_generated",
    "probability": 0.9731,
    "confidence": 0.9731,
    "needs_review": False,
    "threshold": 0.5,
    "policy": "balanced",
    "model_version": "1.0.0",
    "timings_ms": {"decode": 6.1, "views": 9.8, "inference": 48.3, "total": 64.4},
}
EXAMPLE: dict[str, Any] = _JUDGED | {
    "id": "01a2126c5b7e7d3a9c0e4f5a6b7c8d9e",
    "stored": True,
    "provenance": {
        "label": "ai_generated",
        "basis": "pixels_and_provenance",
        "needs_review": False,
        "signals": [
            {
                "kind": "digital_source_type",
                "says": "ai_generated",
                "strength": "strong",
                "reason": "The metadata say that the picture was made by a trained model.",
                "detail": {"term": "trainedAlgorithmicMedia"},
            }
        ],
    },
    "request_id": "5f0c1d2e3a4b4c5d8e9f0a1b2c3d4e5f",
}


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Evidence(_Reply):
    """Why the verdict is what it is."""

    heatmap: list[list[float]] | None = Field(
        default=None,
        description="8 rows of 8 cells over the upright photo, top left first: the probability of "
        "AI-generated that the photo would have if it looked everywhere as it does there.",
    )
    attribution: Attribution | None = Field(
        default=None,
        description="The family of generators that the picture resembles, a hint and no finding; only where "
        "the verdict is AI-generated or doubtful, and the model in service knows families.",
    )
    stability: Stability | None = Field(
        default=None, description="How the verdict holds when the photo is saved again."
    )

    @classmethod
    def of(cls, found: Detection, *, explain: bool) -> Evidence | None:
        """Gather what was asked for; None when nothing was, or there is nothing."""
        kept = cls(
            heatmap=found.heatmap if explain else None,
            attribution=found.attribution if explain else None,
            stability=found.stability,
        )
        return kept.or_none()

    @classmethod
    def of_kept(cls, kept: dict[str, Any], *, explain: bool) -> Evidence | None:
        """As `of`, from what the store kept; how a verdict holds is kept only where it was asked for."""
        names = {"heatmap", "attribution", "stability"} if explain else {"stability"}
        return cls.model_validate({name: kept[name] for name in names & set(kept)}).or_none()

    def or_none(self) -> Evidence | None:
        """This, unless it is empty."""
        return self if self.model_dump(exclude_none=True) else None


class Origin(_Reply):
    """What the file says of its own origin, beside the verdict by pixels, and what both together mean."""

    label: Label = Field(description="By pixels and provenance together.")
    basis: Basis = Field(description="What this label rests on.")
    needs_review: bool = Field(description="Pixels and provenance disagree; a person should look.")
    signals: tuple[Signal, ...] = Field(
        description="What was found; nothing is the usual case, and no proof."
    )
    note: str | None = Field(
        default=None, description="Why the file may say more than was found; only there when it may."
    )

    @classmethod
    def of(cls, combined: Combined, provenance: Provenance) -> Origin:
        """Put the two together."""
        return cls(**combined.model_dump(), signals=provenance.signals, note=provenance.note)


class Prediction(_Reply):
    """A verdict on one photo; all but `provenance` goes by its pixels alone."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: str = Field(description="Key of the stored prediction.")
    stored: bool = Field(
        description="The prediction is in the store; otherwise the store is away, or there is none."
    )
    label: Label
    probability: Fraction = Field(description="Calibrated probability that the photo is AI-generated.")
    confidence: Fraction = Field(description="Probability of the given label.")
    needs_review: bool = Field(
        description="A person should look: the probability is close to the threshold, or the verdict was "
        "found to flip when the photo is saved again."
    )
    threshold: Fraction = Field(description="From this probability on the label is `ai_generated`.")
    policy: str
    model_version: str
    timings_ms: dict[str, float] = Field(description="Milliseconds: `decode`, `views`, `inference`, `total`.")
    provenance: Origin
    request_id: str
    evidence: Evidence | None = Field(
        default=None, description="What `explain=true` and `stability=true` asked for."
    )

    @classmethod
    def of(
        cls,
        detection: Detection,
        origin: Origin,
        request_id: str,
        *,
        id: str,  # noqa: A002 - the field's name
        stored: bool,
        explain: bool,
    ) -> Prediction:
        """Shape a detection as the reply to a request."""
        shared = detection.model_dump(include=set(_JUDGED))
        evidence = Evidence.of(detection, explain=explain)
        return cls(
            **shared, id=id, stored=stored, provenance=origin, request_id=request_id, evidence=evidence
        )

    @classmethod
    def of_record(cls, record: PredictionRecord, request_id: str, *, explain: bool) -> Prediction:
        """Shape a stored prediction as it was answered before."""
        kept: dict[str, Any] = record.evidence or {}
        is_fake = record.label == "ai_generated"
        return cls(
            **record.model_dump(include=set(_JUDGED) - {"confidence", "needs_review"}),
            confidence=record.probability if is_fake else 1.0 - record.probability,
            needs_review=kept.get("pixels_need_review", record.needs_review),
            id=record.id,
            stored=True,
            provenance=Origin.model_validate(kept.get("provenance")),
            request_id=request_id,
            evidence=Evidence.of_kept(kept, explain=explain),
        )


class ItemError(_Reply):
    """Why one photo has no verdict."""

    code: str = Field(description="As in a problem.")
    detail: str


class BatchItem(_Reply):
    """What became of one photo: a prediction or an error."""

    index: int = Field(ge=0, description="Place of the photo in the form, from 0.")
    prediction: Prediction | None = None
    error: ItemError | None = None


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
