"""`POST /explain`: one photo in, its verdict and a picture of where the network sees AI out."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from src.inference.connection import while_connected
from src.inference.deps import ServiceDep
from src.inference.evidence import Attribution
from src.inference.painter import Painter
from src.inference.request_id import request_id_of
from src.inference.schemas import problems
from src.inference.upload import read_upload
from src.utils.errors import NotReadyError
from src.utils.model_card import Fraction, Label

if TYPE_CHECKING:
    from src.inference.detection import Detection
    from src.inference.scorer import Scorer

router = APIRouter(tags=["explain"])

_PNG = "image/png"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "As for `/predict`."},
                        "policy": {"type": "string", "description": "As the query parameter, which wins."},
                    },
                }
            }
        },
    }
}
_PROBLEMS = problems(
    ("malformed_body", "the multipart body is damaged or cut short"),
    ("client_disconnected", "the client hung up before its answer was there"),
    ("upload_timeout", "the body did not arrive within 30 s"),
    ("file_too_large", "The file is larger than 26214400 bytes."),
    ("not_multipart", "send the photo as multipart/form-data with a boundary"),
    ("unsupported_format", "The file is not a supported image."),
    ("missing_file", "the form must hold a file in the field 'file'"),
    ("corrupt_image", "The image is truncated or damaged."),
    ("unknown_policy", "unknown policy; this model knows: balanced, high_recall, low_false_positive"),
    ("overloaded", "too many photos are waiting to be explained; try again in a moment"),
    ("model_not_ready", "the model is not ready: starting"),
    ("deadline_exceeded", "no overlay within 10 s"),
)


class Explanation(BaseModel):
    """A verdict and what it rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    label: Label
    probability: Fraction = Field(description="Calibrated probability that the photo is AI-generated.")
    threshold: Fraction
    policy: str
    model_version: str
    heatmap: list[list[float]] = Field(
        description="8 rows of 8 cells over the upright photo, top left first: the probability of "
        "AI-generated that the photo would have if it looked everywhere as it does there; 0 where none lay."
    )
    overlay: str = Field(
        description="PNG in base64: the photo, greyed, at most 768 px, under the heatmap in amber to red."
    )
    attribution: Attribution | None = Field(
        default=None, description="As in the evidence of `/predict`; null where there is none."
    )
    request_id: str


def get_painter(request: Request) -> Painter:
    """Return the app's painter; it is made when first asked for, as most apps are never."""
    state = request.app.state
    if not hasattr(state, "painter"):
        state.painter = Painter(state.service.settings)
        state.service.parts.append(state.painter)
    painter: Painter = state.painter
    return painter


@router.post(
    "/explain",
    openapi_extra=_BODY,
    response_model=Explanation,
    responses={200: {"content": {_PNG: {"schema": {"type": "string", "format": "binary"}}}}, **_PROBLEMS},
)
async def explain(
    request: Request,
    service: ServiceDep,
    painter: Annotated[Painter, Depends(get_painter)],
    policy: Annotated[str | None, Query(max_length=64, description="Policy of the model card.")] = None,
    reply: Annotated[
        Literal["json", "png"], Query(alias="format", description="The picture alone by `png`.")
    ] = "json",
) -> Explanation | Response:
    """Judge one photo and show where the verdict comes from."""
    scorer = service.scorer
    scorer.check_room()
    painter.check_room()
    settings = service.settings
    with service.budget.lease() as lease:
        upload = await read_upload(
            request,
            max_bytes=settings.max_bytes,
            timeout_s=settings.upload_timeout_s,
            lease=lease,
            arrivals=service.arrivals,
        )
        wanted = policy or upload.fields.get("policy") or None
        work = _explain(scorer, painter, upload.file("file"), wanted)
        detection, picture = await while_connected(request, work)
    if reply == "png":
        return Response(picture, media_type=_PNG)
    return Explanation(
        label=detection.label,
        probability=detection.probability,
        threshold=detection.threshold,
        policy=detection.policy,
        model_version=detection.model_version,
        heatmap=detection.heatmap or [],
        overlay=b64encode(picture).decode("ascii"),
        attribution=detection.attribution,
        request_id=request_id_of(request.scope),
    )


async def _explain(
    scorer: Scorer, painter: Painter, photo: bytes, policy: str | None
) -> tuple[Detection, bytes]:
    detection = await scorer.score(photo, policy)
    if detection.heatmap is None:
        raise NotReadyError("the loaded model gives no heatmap")
    return detection, await painter.paint(photo, detection.heatmap)
