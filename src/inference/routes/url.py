"""`POST /predict/url`: a photo's public address in, one verdict out; off unless hosts are listed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from src.inference.ask import Ask, IdempotencyKey
from src.inference.connection import while_connected
from src.inference.deps import ServiceDep
from src.inference.request_id import request_id_of
from src.inference.routes.predict import (
    AWAY,
    CONFLICT,
    PHOTO_PROBLEMS,
    SHARED_PROBLEMS,
    SOURCE,
    STABILITY_COST,
)
from src.inference.schemas import Prediction, problems

router = APIRouter(tags=["predict"])


class UrlRequest(BaseModel):
    """Where the photo is, and what to tell about it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"url": "https://img.shop.example/a.jpg"}]},
    )

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    policy: Annotated[str | None, Field(max_length=64, description="Policy of the model card.")] = None
    explain: bool = Field(default=False, description="Add evidence to the reply.")
    stability: bool = Field(default=False, description="Add how the verdict holds when it is saved again.")


@router.post(
    "/predict/url",
    responses=SOURCE
    | problems(
        *PHOTO_PROBLEMS,
        *SHARED_PROBLEMS,
        CONFLICT,
        AWAY,
        ("client_disconnected", "the client hung up before its answer was there"),
        ("url_disabled", "this service fetches no photos"),
        ("url_not_allowed", "this host is not on the list of allowed hosts"),
        ("url_unreachable", "the host answered 404"),
        ("file_too_large", "The file is larger than 26214400 bytes."),
    ),
    response_model_exclude_none=True,
)
async def predict_url(
    request: Request,
    response: Response,
    service: ServiceDep,
    body: UrlRequest,
    idempotency_key: IdempotencyKey = None,
) -> Prediction:
    """Fetch one photo from an allowed host and judge it."""
    predictor, fetcher = service.predictor, service.fetcher
    service.scorer.check_room()
    with service.budget.lease() as lease:
        photo = await while_connected(request, fetcher.fetch(body.url, lease))
        if body.stability:
            await service.access.charge(request.scope, STABILITY_COST)
        ask = Ask(
            policy=body.policy,
            explain=body.explain,
            stability=body.stability,
            request_id=request_id_of(request.scope),
            api_key_id=request.scope["state"].get("api_key_id"),
            idempotency_key=idempotency_key,
        )
        answer = await while_connected(request, predictor.predict(photo, ask))
    response.headers["X-Answer-Source"] = answer.source
    return answer.prediction
