"""What a caller asks about a photo, and what it gets; light to import, for routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Header, Query

from src.inference.schemas import Prediction

PolicyQuery = Annotated[str | None, Query(max_length=64, description="Policy of the model card.")]
ExplainQuery = Annotated[bool, Query(description="Add evidence to the reply.")]
StabilityQuery = Annotated[
    bool,
    Query(description="Add how the verdict holds when the photo is saved again; takes five more inferences."),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A repeated request with the same key and photo gets the first one's answer; remembered "
        "for a day.",
    ),
]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a caller wants to know about a photo.

    Attributes:
        policy: As for a detection.
        explain: Add the heatmap, and the family of generators where the verdict speaks for one.
        stability: Add how the verdict holds under re-encodings.
        request_id: Of the request.
        api_key_id: Whose request it is.
        idempotency_key: Same key, same answer.
        wait_s: Seconds that it may wait for a place when all are taken; single uploads are refused instead.
    """

    policy: str | None = None
    explain: bool = False
    stability: bool = False
    request_id: str = ""
    api_key_id: str | None = None
    idempotency_key: str | None = None
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, and how it came to be.

    Attributes:
        prediction: The reply.
        source: `replay`: an earlier prediction met the same idempotency key; `cache`: the same bytes were
            judged before.
    """

    prediction: Prediction
    source: Literal["scorer", "cache", "replay"]
