"""What the store takes and gives: frozen records, ids that sort by time. Light: no database here."""

from __future__ import annotations

import math
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from src.utils.model_card import Fraction, Label

ID_PATTERN = r"^[0-9a-f]{32}$"
DAY_S = 86_400
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def new_id() -> str:
    """Make an id: a UUID of version 7 (RFC 9562) in 32 hex digits, so that ids sort by their time."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | (0x7 << 76) | (secrets.randbits(12) << 64)
    return f"{value | (0b10 << 62) | secrets.randbits(62):032x}"


def _storable(value: object) -> object:
    """Make JSON that any database takes: evidence quotes files, and these hold zeros and half characters."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


Id = Annotated[str, Field(pattern=ID_PATTERN)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, BeforeValidator(_storable), Field(min_length=1, max_length=200)]
Json = Annotated[dict[str, JsonValue], BeforeValidator(_storable)]
Utc = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        protected_namespaces=(),
        allow_inf_nan=False,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )


class PhotoFacts(_Frozen):
    """What the file said of itself.

    Attributes:
        format: As the bytes tell it, such as `JPEG`.
        width: Pixels.
        height: Pixels.
        bytes: Size of the file.
        quality: Estimated quality of a JPEG; none for other formats.
    """

    format: Name
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    bytes: int = Field(ge=1)
    quality: int | None = Field(default=None, ge=1, le=100)


class PredictionRecord(_Frozen):
    """One accepted prediction, as it is kept.

    Attributes:
        id: Key of the prediction, told in the reply.
        created_at: UTC.
        sha256: Hash of the photo's bytes; the photo itself is not part of the record.
        probability: Calibrated probability of AI-generated.
        logit: Before calibration.
        threshold: From this probability on the label was `ai_generated`.
        api_key_id: Whose request it was; none without keys.
        evidence: Provenance signals and whatever else explains the verdict, as JSON.
        timings_ms: Milliseconds by stage.
        embedding: float16 [D] in little-endian bytes, for drift.
        has_image: The photo is kept for review, until it expires.
    """

    id: Id = Field(default_factory=new_id)
    created_at: Utc = Field(default_factory=now)
    sha256: Sha256
    label: Label
    probability: Fraction
    logit: float
    threshold: Fraction
    policy: Name
    needs_review: bool
    model_version: Name
    api_key_id: Name | None = None
    evidence: Json | None = None
    facts: PhotoFacts | None = None
    timings_ms: dict[str, float] = Field(default_factory=dict)
    embedding: bytes | None = Field(default=None, repr=False)
    has_image: bool = False

    @property
    def day(self) -> int:
        """Days since 1970 (UTC): the review queue's unit of "new"."""
        return int(self.created_at.timestamp() // DAY_S)

    @property
    def margin(self) -> float:
        """Distance of the probability from the threshold; the smaller, the more doubtful."""
        return abs(self.probability - self.threshold)


class Feedback(_Frozen):
    """What a person found out about a prediction.

    Attributes:
        id: Key of the feedback.
        prediction_id: What it is about.
        true_label: What the photo is.
        reviewer: Who says so.
        reason: Why, in the reviewer's words.
        api_key_id: Whose request it was.
        created_at: UTC.
    """

    id: Id = Field(default_factory=new_id)
    prediction_id: Id
    true_label: Label
    reviewer: Name
    reason: Annotated[str, BeforeValidator(_storable), Field(max_length=2000)] = ""
    api_key_id: Name | None = None
    created_at: Utc = Field(default_factory=now)


class Claim(_Frozen):
    """An idempotency key as one caller used it.

    Attributes:
        key: The client's text.
        owner: Id of the caller's API key; empty without keys. Callers cannot meet each other's keys.
        body_hash: SHA-256 of all that decides the answer: the photo and the options.
    """

    key: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]
    owner: Annotated[str, Field(max_length=200)] = ""
    body_hash: Sha256


class Outcome(_Frozen):
    """What became of a record.

    Attributes:
        stored: Durable in the database; otherwise it was spooled, or lost if that failed too (see stats).
        prediction_id: The record's own id, or the earlier prediction's where the same claim was met before.
    """

    stored: bool
    prediction_id: Id


class StoredPrediction(_Frozen):
    """A prediction with the feedback on it, oldest first."""

    record: PredictionRecord
    feedback: tuple[Feedback, ...] = ()


class ReviewPage(_Frozen):
    """A piece of the review queue; `next_cursor` is none at its end."""

    items: tuple[PredictionRecord, ...]
    next_cursor: str | None = None


class Spooled(_Frozen):
    """What waits on disk while the database is away."""

    record: PredictionRecord
    claim: Claim | None = None
