"""`POST /predict`: one photo in, one verdict out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from src.inference.deps import ServiceDep
from src.inference.request_id import request_id_of
from src.inference.schemas import Prediction, problems
from src.inference.upload import read_upload

router = APIRouter(tags=["predict"])

# The body is read by hand, so that it is counted while it streams; FastAPI cannot know its shape.
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF, known by its bytes.",
                        },
                        "policy": {"type": "string", "description": "As the query parameter, which wins."},
                    },
                }
            }
        },
    }
}
_PROBLEMS = problems(
    ("malformed_body", "the multipart body is damaged or cut short"),
    ("upload_timeout", "the body did not arrive within 30 s"),
    ("file_too_large", "The file is larger than 26214400 bytes."),
    ("not_multipart", "send the photo as multipart/form-data with a boundary"),
    ("unsupported_format", "The file is not a supported image."),
    ("missing_file", "the form must hold a file in the field 'file'"),
    ("empty_file", "The file is empty."),
    ("corrupt_image", "The image is truncated or damaged."),
    ("image_too_small", "A side is shorter than 16 pixels."),
    ("too_many_pixels", "The image has more than 60000000 pixels."),
    ("side_too_long", "A side is longer than 20000 pixels."),
    ("too_many_frames", "The file has more than 1000 frames."),
    ("unknown_policy", "unknown policy; this model knows: balanced, high_recall, low_false_positive"),
    ("invalid_request", "query.explain: Input should be a valid boolean"),
    ("overloaded", "too many photos are waiting; try again in a moment"),
    ("model_not_ready", "the model is not ready: starting"),
    ("deadline_exceeded", "no answer within 10 s"),
)


@router.post("/predict", openapi_extra=_BODY, responses=_PROBLEMS, response_model_exclude_none=True)
async def predict(
    request: Request,
    service: ServiceDep,
    policy: Annotated[str | None, Query(max_length=64, description="Policy of the model card.")] = None,
    *,
    explain: Annotated[bool, Query(description="Add evidence to the reply.")] = False,
) -> Prediction:
    """Judge one photo: real, or AI-generated."""
    scorer = service.scorer
    scorer.check_room()
    settings = service.settings
    upload = await read_upload(request, max_bytes=settings.max_bytes, timeout_s=settings.upload_timeout_s)
    detection = await scorer.score(upload.file("file"), policy or upload.fields.get("policy") or None)
    return Prediction.of(detection, request_id_of(request.scope), explain=explain)
