"""`GET /review`: the predictions that wait for a person."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from src.inference.routes.predictions import AWAY, KeptPrediction, store_of
from src.inference.schemas import problems

router = APIRouter(tags=["predictions"])

_MAX_PAGE = 200
_INVALID = ("invalid_request", "query.cursor: take it from `next_cursor` of the page before")


class ReviewQueue(BaseModel):
    """A page of the queue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: list[KeptPrediction]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; none on the last.")


@router.get("/review", responses=problems(_INVALID, AWAY))
async def read_review(
    request: Request,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=_MAX_PAGE, description="Most items of a page.")] = 50,
) -> ReviewQueue:
    """Return what waits for a person: newest day first, within it the most doubtful first."""
    page = await store_of(request).review(cursor, limit)
    return ReviewQueue(
        items=[KeptPrediction.of(record) for record in page.items], next_cursor=page.next_cursor
    )
