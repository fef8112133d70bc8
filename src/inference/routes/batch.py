"""`POST /predict/batch`: many photos in, for each its verdict or its error out, at once or line by line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict
from starlette.types import Receive, Scope, Send

from src.inference.ask import Ask, ExplainQuery, IdempotencyKey, PolicyQuery
from src.inference.connection import while_connected
from src.inference.deps import ServiceDep
from src.inference.judging import judge_all
from src.inference.request_id import request_id_of
from src.inference.routes.predict import FORM_PROBLEMS, PHOTO, POLICY, SHARED_PROBLEMS
from src.inference.schemas import BatchItem, problems
from src.inference.upload import read_upload

router = APIRouter(tags=["predict"])

_LINES = "application/x-ndjson"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": PHOTO, "minItems": 1},
                        "policy": POLICY,
                    },
                }
            }
        },
    }
}


class BatchReply(BaseModel):
    """All photos of a batch, in the order of the form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: list[BatchItem]
    request_id: str


@router.post(
    "/predict/batch",
    openapi_extra=_BODY,
    response_model=BatchReply,
    response_model_exclude_none=True,
    responses={
        200: {"content": {_LINES: {"schema": {"type": "string", "description": "One `BatchItem` a line."}}}},
        **problems(
            *FORM_PROBLEMS, *SHARED_PROBLEMS, ("too_many_files", "the form holds more than 32 photos")
        ),
    },
)
async def predict_batch(
    request: Request,
    service: ServiceDep,
    policy: PolicyQuery = None,
    idempotency_key: IdempotencyKey = None,
    *,
    explain: ExplainQuery = False,
) -> BatchReply | Response:
    """Judge many photos; with `Accept: application/x-ndjson` each is told as soon as it is done."""
    predictor, settings = service.predictor, service.settings
    service.scorer.check_room()
    with ExitStack() as stack:
        upload = await read_upload(
            request,
            max_bytes=settings.max_bytes,
            timeout_s=settings.upload_timeout_s,
            max_files=settings.max_batch_files,
            max_total=settings.max_batch_bytes,
            lease=stack.enter_context(service.budget.lease()),
            arrivals=service.arrivals,
        )
        photos = upload.photos("files")
        wanted = policy or upload.fields.get("policy") or None
        service.scorer.detector.card.policy(wanted)  # a policy that nobody knows is the whole batch's error
        await service.access.charge(request.scope, len(photos) - 1)
        ask = Ask(
            policy=wanted,
            explain=explain,
            request_id=request_id_of(request.scope),
            api_key_id=request.scope["state"].get("api_key_id"),
            idempotency_key=idempotency_key,
        )
        items = judge_all(predictor, photos, ask, settings)
        if _LINES in request.headers.get("accept", ""):
            return _Lines(items, stack.pop_all())
        found = await while_connected(request, _collect(items))
    return BatchReply(items=sorted(found, key=lambda item: item.index), request_id=ask.request_id)


class _Lines(StreamingResponse):
    """Items as lines; what the stack holds is let go of at the end, even if nothing is ever sent."""

    def __init__(self, items: AsyncIterator[BatchItem], stack: ExitStack) -> None:
        super().__init__(
            (item.model_dump_json(exclude_none=True) + "\n" async for item in items), media_type=_LINES
        )
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._stack:
            await super().__call__(scope, receive, send)


async def _collect(items: AsyncIterator[BatchItem]) -> list[BatchItem]:
    return [item async for item in items]
