"""What the service answers, typed; fields that a newer service adds are tolerated."""

from __future__ import annotations

from datetime import datetime

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, JsonValue

from src.client.errors import ApiError
from src.utils.model_card import Label


class Reply(BaseModel):
    """Base of all replies."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=(), populate_by_name=True)


class Signal(Reply):
    """One thing that a photo's file says of its own origin."""

    kind: str
    says: str | None = None
    strength: str
    reason: str
    detail: dict[str, JsonValue] = {}


class Origin(Reply):
    """What the file says of its origin, and what that and the pixels mean together."""

    label: Label
    basis: str
    needs_review: bool
    signals: tuple[Signal, ...] = ()


class Stability(Reply):
    """How a verdict holds when the photo is saved again.

    Attributes:
        score: 1 - the largest change of the probability.
        flips: In one of these forms the photo gets the other label.
        probabilities: Form -> probability of AI-generated.
    """

    score: float
    flips: bool
    probabilities: dict[str, float] = {}


class Attribution(Reply):
    """Which family of generators a picture resembles most, if it is one of theirs: a hint, no finding.

    Attributes:
        family: None when unknown.
        confidence: Probability of the nearest family among those known, also where it is not named.
    """

    family: str | None = None
    confidence: float
    unknown: bool


class Evidence(Reply):
    """Why the verdict is what it is, as far as that was asked for.

    Attributes:
        heatmap: Rows of cells over the upright photo, each a probability; empty unless asked for.
        attribution: Only where the verdict speaks for AI or is doubtful, and the service knows families.
    """

    heatmap: tuple[tuple[float, ...], ...] = ()
    attribution: Attribution | None = None
    stability: Stability | None = None


class Prediction(Reply):
    """A verdict on one photo; all but `provenance` goes by its pixels alone.

    Attributes:
        probability: Calibrated probability that the photo is AI-generated.
        confidence: Probability of the given label.
        stored: Whether the prediction is in the store.
        source: `scorer`, `cache` for bytes that were judged before, `replay` for a key that was met before;
            empty in a batch.
    """

    id: str
    stored: bool
    label: Label
    probability: float
    confidence: float
    needs_review: bool
    threshold: float
    policy: str
    model_version: str
    timings_ms: dict[str, float]
    provenance: Origin
    request_id: str
    evidence: Evidence | None = None
    source: str = ""


class Explanation(Reply):
    """A verdict and where it comes from.

    Attributes:
        grid: 8 rows of 8 cells over the upright photo, top left first: the probability of AI-generated that
            the photo would have if it looked everywhere as it does there.
        overlay: PNG of the greyed photo under the heatmap.
        attribution: As in `Evidence`.
    """

    label: Label
    probability: float
    threshold: float
    policy: str
    model_version: str
    grid: tuple[tuple[float, ...], ...] = Field(alias="heatmap")
    overlay: Base64Bytes = Field(repr=False)
    attribution: Attribution | None = None
    request_id: str


class KeptPrediction(Reply):
    """A prediction as it is kept.

    Attributes:
        evidence: Provenance signals and heatmap, as they were found.
        facts: Format, size in pixels and bytes of the photo.
        has_image: The photo was kept for review; it may have expired since.
    """

    id: str
    created_at: datetime
    sha256: str
    label: Label
    probability: float
    logit: float
    threshold: float
    policy: str
    needs_review: bool
    model_version: str
    evidence: dict[str, JsonValue] | None = None
    facts: dict[str, JsonValue] | None = None
    timings_ms: dict[str, float]
    has_image: bool


class KeptFeedback(Reply):
    """What a person said a photo really is."""

    id: str
    prediction_id: str
    true_label: Label
    reviewer: str
    reason: str
    created_at: datetime


class PredictionWithFeedback(Reply):
    """A kept prediction and all that was said about it, oldest first."""

    prediction: KeptPrediction
    feedback: tuple[KeptFeedback, ...]


class ReviewPage(Reply):
    """A page of what waits for a person; `next_cursor` leads to the next one, if there is one."""

    items: tuple[KeptPrediction, ...]
    next_cursor: str | None = None


class Health(Reply):
    """How the service does; ready for photos only when `status` is `ok`."""

    status: str
    model_name: str | None = None
    model_version: str | None = None
    uptime_s: float

    @property
    def ok(self) -> bool:
        """Whether photos should be sent there now."""
        return self.status == "ok"


class Model(Reply):
    """The card of the model in service; what is not named here is kept in `model_extra`."""

    model_config = ConfigDict(extra="allow")

    name: str
    version: str
    architecture: str


class Drift(Reply):
    """How today's photos differ from those the model was made with; all fields are in `model_extra`."""

    model_config = ConfigDict(extra="allow")


class ItemError(Reply):
    """Why one photo of a batch has no verdict."""

    code: str
    detail: str


class BatchItem(Reply):
    """What became of one photo of a batch."""

    index: int
    prediction: Prediction | None = None
    error: ItemError | None = None

    def outcome(self, request_id: str) -> Prediction | ApiError:
        """Return the verdict, or the error as one of a call."""
        if self.prediction is not None:
            return self.prediction
        if self.error is not None:
            return ApiError(self.error.code, 200, self.error.detail, request_id)
        return _missing(request_id)


class Batch(Reply):
    """What became of all photos of a batch."""

    items: tuple[BatchItem, ...]
    request_id: str = ""

    def outcomes(self, photos: int) -> list[Prediction | ApiError]:
        """Return a verdict or an error for each of the photos that were sent, in their order."""
        told = {item.index: item.outcome(self.request_id) for item in self.items}
        return [told.get(index) or _missing(self.request_id) for index in range(photos)]


def _missing(request_id: str) -> ApiError:
    return ApiError("unexpected_reply", 200, "the service said nothing about this photo", request_id)
