"""What a watcher of live traffic reads: light rows in the order of their ids, and what people found out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from src.store.tables import feedback, predictions


class LiveRow(NamedTuple):
    """One prediction, as far as drift needs it.

    Attributes:
        id: Sorts by time.
        created_at: UTC.
        sha256: Of the photo; the same photo sent again is not news.
        logit: Before calibration.
        needs_review: A person should look.
        api_key_id: Whose request it was: the traffic's source.
        facts: As `PhotoFacts` is dumped, or none.
        embedding: float16 [D] in little-endian bytes, or none.
    """

    id: str
    created_at: datetime
    sha256: str
    logit: float
    needs_review: bool
    api_key_id: str | None
    facts: dict[str, Any] | None
    embedding: bytes | None


class Answer(NamedTuple):
    """The last word on a prediction."""

    prediction_id: str
    fake: bool
    created_at: datetime


_COLUMNS = [predictions.c[name] for name in LiveRow._fields]


def newest(connection: Connection, model_version: str, limit: int) -> list[LiveRow]:
    """The latest predictions of a model, oldest first."""
    query = select(*_COLUMNS).where(predictions.c.model_version == model_version)
    rows = connection.execute(query.order_by(predictions.c.id.desc()).limit(limit)).all()
    return [LiveRow(*row) for row in reversed(rows)]


def after(connection: Connection, model_version: str, last_id: str, limit: int) -> list[LiveRow]:
    """The predictions of a model that follow an id, oldest first."""
    query = select(*_COLUMNS).where(predictions.c.id > last_id, predictions.c.model_version == model_version)
    return [LiveRow(*row) for row in connection.execute(query.order_by(predictions.c.id).limit(limit))]


def answers(connection: Connection, model_version: str, first_id: str) -> list[Answer]:
    """What people said last of each prediction of a model from an id on, in the order it was said."""
    query = (
        select(feedback.c.prediction_id, feedback.c.true_label, feedback.c.created_at)
        .join(predictions, predictions.c.id == feedback.c.prediction_id)
        .where(predictions.c.id >= first_id, predictions.c.model_version == model_version)
        .order_by(feedback.c.created_at, feedback.c.id)
    )
    last: dict[str, Answer] = {}
    for prediction_id, label, moment in connection.execute(query):
        last.pop(prediction_id, None)
        last[prediction_id] = Answer(prediction_id, label == "ai_generated", moment)
    return list(last.values())
