"""What a job is. Light: no database here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from src.store.records import Id, Utc, new_id, now

JobState = Literal["working", "done", "interrupted"]
Delivery = Literal["none", "waiting", "delivered", "failed"]


class JobItem(BaseModel):
    """What became of one photo: a prediction, or the error that it met."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int = Field(ge=0)
    prediction_id: Id | None = None
    code: str | None = None
    detail: str | None = None


class Job(BaseModel):
    """One job.

    Attributes:
        owner: Id of the caller's API key; empty without keys.
        ends_at: By then it is done, or whoever worked on it is gone.
        ended_at: When it was done, or found to be interrupted.
        photos: Photos of the batch.
        items: What is known of them; all, once it is done.
        callback_url: Who wants to be told.
        delivery: `waiting` from the end of the work until the caller has taken the message.
        attempts: Calls made so far.
        next_attempt_at: When the next one is due.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id = Field(default_factory=new_id)
    owner: Annotated[str, Field(max_length=200)] = ""
    created_at: Utc = Field(default_factory=now)
    ends_at: Utc
    ended_at: Utc | None = None
    state: JobState = "working"
    photos: int = Field(ge=1)
    items: tuple[JobItem, ...] = ()
    callback_url: str | None = None
    delivery: Delivery = "none"
    attempts: int = 0
    next_attempt_at: Utc | None = None
