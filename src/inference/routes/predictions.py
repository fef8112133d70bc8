"""What is kept of a prediction: read it, say what the photo really is, see the photo, have it all deleted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from src.inference.schemas import problems
from src.store.records import ID_PATTERN, Feedback, PhotoFacts, PredictionRecord
from src.utils.errors import NotFoundError, PhotoNotKept, StoreError
from src.utils.model_card import Fraction, Label

if TYPE_CHECKING:
    from src.store.store import Store

router = APIRouter(tags=["predictions"])

_EXAMPLE_ID = "01a2126c5b7e7d3a9c0e4f5a6b7c8d9e"
PredictionId = Annotated[
    str, Path(pattern=ID_PATTERN, description="`id` of the reply.", examples=[_EXAMPLE_ID])
]
AWAY = ("store_unavailable", "the store is away; try again in a moment")
INVALID = ("invalid_request", "path.prediction_id: String should match pattern '^[0-9a-f]{32}$'")
_NOT_KEPT = ("photo_not_kept", "no photo is kept of this prediction, or no longer")
_UNKNOWN_TYPE = ("application/octet-stream", "")
_MEDIA_TYPES = {
    "JPEG": ("image/jpeg", ".jpg"),
    "PNG": ("image/png", ".png"),
    "WEBP": ("image/webp", ".webp"),
    "GIF": ("image/gif", ".gif"),
    "BMP": ("image/bmp", ".bmp"),
    "TIFF": ("image/tiff", ".tiff"),
    "AVIF": ("image/avif", ".avif"),
    "HEIF": ("image/heic", ".heic"),
    "": _UNKNOWN_TYPE,
}
"""Media type and ending of each format that photos are kept in, by the name that their bytes tell."""
_GONE = ("not_found", "no prediction is kept under this id")


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class KeptPrediction(_Reply):
    """A prediction as it is kept."""

    id: str = Field(examples=[_EXAMPLE_ID])
    created_at: datetime
    sha256: str = Field(description="Of the photo's bytes, in hex.")
    label: Label
    probability: Fraction = Field(description="Calibrated probability that the photo is AI-generated.")
    logit: float = Field(description="Before calibration.")
    threshold: Fraction
    policy: str
    needs_review: bool
    model_version: str
    evidence: dict[str, JsonValue] | None = Field(description="Provenance signals, as they were found.")
    facts: PhotoFacts | None
    timings_ms: dict[str, float]
    has_image: bool = Field(description="The photo was kept for review; it may have expired since.")

    @classmethod
    def of(cls, record: PredictionRecord) -> KeptPrediction:
        """Leave out whose request it was, and what is only for drift."""
        return cls(**record.model_dump(include=set(KeptPrediction.model_fields)))


class FeedbackRequest(_Reply):
    """What a person found out."""

    model_config = ConfigDict(
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [{"true_label": "real", "reviewer": "ana", "reason": "seller sent the raw file"}]
        },
    )

    true_label: Label
    reviewer: str = Field(min_length=1, max_length=200, description="Who says so.")
    reason: str = Field(default="", max_length=2000)


class KeptFeedback(_Reply):
    """Feedback as it is kept."""

    id: str
    prediction_id: str
    true_label: Label
    reviewer: str
    reason: str
    created_at: datetime

    @classmethod
    def of(cls, feedback: Feedback) -> KeptFeedback:
        """Leave out whose request it was."""
        return cls(**feedback.model_dump(include=set(KeptFeedback.model_fields)))


class PredictionWithFeedback(_Reply):
    """A prediction and all that was said about it, oldest first."""

    prediction: KeptPrediction
    feedback: list[KeptFeedback]


def store_of(request: Request) -> Store:
    """Return the store of the app that answers this request.

    Raises:
        StoreError: It has none, or none yet.
    """
    store: Store | None = request.app.state.service.store
    if store is None:
        raise StoreError("this service has no store, or none yet")
    return store


@router.get("/predictions/{prediction_id}", responses=problems(_GONE, INVALID, AWAY))
async def read_prediction(request: Request, prediction_id: PredictionId) -> PredictionWithFeedback:
    """Return a prediction and its feedback; a key without the scope `review` sees only its own."""
    found = await store_of(request).prediction(prediction_id)
    if found is None or not _may_read(request, found.record):
        # Whether there is such a prediction of somebody else's is not for this caller to know.
        raise NotFoundError(_GONE[1])
    return PredictionWithFeedback(
        prediction=KeptPrediction.of(found.record),
        feedback=[KeptFeedback.of(item) for item in found.feedback],
    )


@router.delete("/predictions/{prediction_id}", status_code=204, responses=problems(_GONE, INVALID, AWAY))
async def delete_prediction(request: Request, prediction_id: PredictionId) -> None:
    """Delete a prediction, its feedback and its photo for good."""
    if not await store_of(request).delete(prediction_id):
        raise NotFoundError(_GONE[1])


@router.post(
    "/predictions/{prediction_id}/feedback", status_code=201, responses=problems(_GONE, INVALID, AWAY)
)
async def give_feedback(request: Request, prediction_id: PredictionId, body: FeedbackRequest) -> KeptFeedback:
    """Keep what a person found out; the prediction leaves the review queue. Durable when answered."""
    feedback = Feedback(
        prediction_id=prediction_id, api_key_id=_state(request).get("api_key_id"), **body.model_dump()
    )
    await store_of(request).feedback(feedback)
    return KeptFeedback.of(feedback)


@router.get(
    "/predictions/{prediction_id}/photo",
    response_class=Response,
    responses={
        200: {
            "description": "The photo's bytes as they were sent, under the type that they have.",
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}} for kind, _ in _MEDIA_TYPES.values()
            },
        },
        **problems(_NOT_KEPT, INVALID, AWAY),
    },
)
async def read_photo(request: Request, prediction_id: PredictionId) -> Response:
    """Return the photo, where photos are kept for review and this one has not expired."""
    photo = await store_of(request).photo(prediction_id)
    if photo is None:
        raise PhotoNotKept(_NOT_KEPT[1])
    from src.imaging.decode import sniff_format  # noqa: PLC0415 - routes must be importable fast

    kind, ending = _MEDIA_TYPES.get(sniff_format(photo) or "", _UNKNOWN_TYPE)
    # A stranger's bytes: a page may show them as the picture that they are, and nothing may run them.
    headers = {
        "Content-Disposition": f'attachment; filename="{prediction_id}{ending}"',
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(photo, media_type=kind, headers=headers)


@router.get(
    "/predictions/{prediction_id}/image",
    response_class=Response,
    deprecated=True,
    responses={
        200: {
            "description": "The photo's bytes as they were sent.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(("not_found", "no photo is kept under this id"), INVALID, AWAY),
    },
)
async def read_image(request: Request, prediction_id: PredictionId) -> Response:
    """Return the photo without its type; `/photo` tells it."""
    photo = await store_of(request).photo(prediction_id)
    if photo is None:
        raise NotFoundError("no photo is kept under this id")
    # A stranger's bytes: nothing may show or run them as anything but a download.
    headers = {"Content-Disposition": f'attachment; filename="{prediction_id}"', "Cache-Control": "no-store"}
    return Response(photo, media_type="application/octet-stream", headers=headers)


def _may_read(request: Request, record: PredictionRecord) -> bool:
    state = _state(request)
    caller = state.get("api_key_id")
    # Without keys there is nobody to keep apart.
    return (
        caller is None
        or caller == record.api_key_id
        or bool({"review", "admin"} & state.get("scopes", set()))
    )


def _state(request: Request) -> dict[str, Any]:
    state: dict[str, Any] = request.scope.get("state", {})
    return state
