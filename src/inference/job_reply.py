"""A job as its caller sees it, in a reply or in the message of its end; verdicts come from where they are."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from src.inference.schemas import BatchItem, ItemError, Prediction
from src.store.job_records import Delivery, Job, JobItem, JobState

if TYPE_CHECKING:
    from src.store.store import Store

_GONE = ItemError(code="not_found", detail="the prediction is not kept any more, or not yet")


class JobReply(BaseModel):
    """A job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(examples=["01a2126c5b7e7d3a9c0e4f5a6b7c8d9e"])
    state: JobState = Field(
        description="`done`: every photo has its verdict or its error. `interrupted`: the service ended "
        "before; photos without an item were not judged."
    )
    created_at: datetime
    photos: int = Field(ge=1, description="Photos of the job.")
    delivery: Delivery = Field(description="Of the message to `callback_url`; `none` without one.")
    items: list[BatchItem] = Field(description="Empty until the job has ended.")


async def describe(job: Job, store: Store) -> JobReply:
    """Gather what a job led to; a prediction that was deleted since is an item with an error.

    Raises:
        StoreError: The database is away.
    """
    items = await asyncio.gather(*(_item(item, job.id, store) for item in job.items))
    shared = job.model_dump(include={"id", "state", "created_at", "photos", "delivery"})
    return JobReply(**shared, items=sorted(items, key=lambda item: item.index))


def kept(item: BatchItem) -> JobItem:
    """Reduce an item to what a job keeps of it."""
    if item.prediction is not None:
        return JobItem(index=item.index, prediction_id=item.prediction.id)
    error = item.error or _GONE
    return JobItem(index=item.index, code=error.code, detail=error.detail)


async def _item(item: JobItem, request_id: str, store: Store) -> BatchItem:
    if item.prediction_id is None:
        error = ItemError(code=item.code or _GONE.code, detail=item.detail or "")
        return BatchItem(index=item.index, error=error)
    found = await store.prediction(item.prediction_id)
    if found is None:
        return BatchItem(index=item.index, error=_GONE)
    prediction = Prediction.of_record(found.record, request_id, explain=False)
    return BatchItem(index=item.index, prediction=prediction)
