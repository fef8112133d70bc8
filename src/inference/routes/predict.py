"""`POST /predict`: one photo in, one verdict out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from src.inference.ask import Ask, ExplainQuery, IdempotencyKey, PolicyQuery, StabilityQuery
from src.inference.connection import while_connected
from src.inference.deps import ServiceDep
from src.inference.request_id import request_id_of
from src.inference.schemas import Prediction, problems
from src.inference.upload import read_upload

router = APIRouter(tags=["predict"])

PHOTO: dict[str, Any] = {
    "type": "string",
    "format": "binary",
    "description": "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC, known by its bytes.",
}
POLICY: dict[str, Any] = {"type": "string", "description": "As the query parameter, which wins."}
# The body is read by hand, so that it is counted while it streams; FastAPI cannot know its shape.
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": PHOTO, "policy": POLICY},
                }
            }
        },
    }
}
PHOTO_PROBLEMS = (
    ("unsupported_format", "The file is not a supported image."),
    ("empty_file", "The file is empty."),
    ("corrupt_image", "The image is truncated or damaged."),
    ("image_too_small", "A side is shorter than 16 pixels."),
    ("too_elongated", "A side is more than 16 times as long as the other."),
    ("too_many_pixels", "The image has more than 60000000 pixels."),
    ("side_too_long", "A side is longer than 20000 pixels."),
    ("too_many_frames", "The file has more than 1000 frames."),
)
FORM_PROBLEMS = (
    ("malformed_body", "the multipart body is damaged or cut short"),
    ("client_disconnected", "the client hung up before its answer was there"),
    ("upload_timeout", "the body did not arrive within 30 s"),
    ("file_too_large", "The file is larger than 26214400 bytes."),
    ("not_multipart", "send the photo as multipart/form-data with a boundary"),
    ("missing_file", "the form must hold a file in the field 'file'"),
)
SHARED_PROBLEMS = (
    ("unknown_policy", "unknown policy; this model knows: balanced, high_recall, low_false_positive"),
    ("invalid_request", "query.explain: Input should be a valid boolean"),
    ("overloaded", "too many photos are waiting; try again in a moment"),
    ("model_not_ready", "the model is not ready: starting"),
    ("deadline_exceeded", "no answer within 10 s"),
)
STABILITY_COST = 5
"""Photos that a look at stability counts as, besides the photo itself, against the rate limit."""
CONFLICT = ("idempotency_conflict", "the idempotency key was used before, for another photo or other options")
AWAY = ("store_unavailable", "the store is away; try again in a moment")
SOURCE: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "X-Answer-Source": {
                "description": "`scorer`; `cache` for bytes that were judged before; `replay` for an "
                "idempotency key that was met before.",
                "schema": {"type": "string", "enum": ["scorer", "cache", "replay"]},
            }
        }
    }
}


@router.post(
    "/predict",
    openapi_extra=_BODY,
    responses=SOURCE | problems(*FORM_PROBLEMS, *PHOTO_PROBLEMS, *SHARED_PROBLEMS, CONFLICT, AWAY),
    response_model_exclude_none=True,
)
async def predict(
    request: Request,
    response: Response,
    service: ServiceDep,
    policy: PolicyQuery = None,
    idempotency_key: IdempotencyKey = None,
    *,
    explain: ExplainQuery = False,
    stability: StabilityQuery = False,
) -> Prediction:
    """Judge one photo: real, or AI-generated."""
    predictor, settings = service.predictor, service.settings
    service.scorer.check_room()
    with service.budget.lease() as lease:
        upload = await read_upload(
            request,
            max_bytes=settings.max_bytes,
            timeout_s=settings.upload_timeout_s,
            lease=lease,
            arrivals=service.arrivals,
        )
        photo = upload.photo("file")
        if stability:
            # A service that was left open to all must not be asked for six photos at the price of one.
            await service.access.charge(request.scope, STABILITY_COST)
        ask = Ask(
            policy=policy or upload.fields.get("policy") or None,
            explain=explain,
            stability=stability,
            request_id=request_id_of(request.scope),
            api_key_id=request.scope["state"].get("api_key_id"),
            idempotency_key=idempotency_key,
        )
        answer = await while_connected(request, predictor.predict(photo, ask))
    response.headers["X-Answer-Source"] = answer.source
    return answer.prediction
