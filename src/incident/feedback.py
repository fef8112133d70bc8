"""Feedback as it lies in the store: photos that people judged since a moment, with each one's last word."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from src.incident.screening import Judged, Vote
from src.store.engine import READ_ONLY, make_engine
from src.store.tables import feedback, predictions
from src.utils.errors import StoreError


def read_feedback(store_url: str, since: datetime | None, model_version: str | None = None) -> list[Judged]:
    """Read what people said after a moment.

    Args:
        store_url: SQLite or PostgreSQL.
        since: Photos without a word after it are left out; None takes all. Of the others all words count, so
            that an earlier contradiction is not forgotten.
        model_version: An embedding is only taken from predictions of this model: features of two networks
            cannot be compared. A refitted head has the features of its base.

    Raises:
        StoreError: The store cannot be read.
        ConfigError: The URL is not usable.
    """
    engine = make_engine(store_url)
    query = (
        select(
            predictions.c.sha256,
            predictions.c.id,
            predictions.c.embedding,
            predictions.c.model_version,
            feedback.c.true_label,
            feedback.c.reviewer,
            feedback.c.api_key_id,
            feedback.c.created_at,
        )
        .join(predictions, predictions.c.id == feedback.c.prediction_id)
        .order_by(feedback.c.created_at, feedback.c.id)
    )
    try:
        with engine.connect().execution_options(**{READ_ONLY: True}) as connection:
            rows = connection.execute(query).all()
    except SQLAlchemyError as error:
        raise StoreError("the store's feedback cannot be read") from error
    finally:
        engine.dispose()
    votes: dict[str, dict[tuple[str, str | None], Vote]] = {}
    embeddings: dict[str, NDArray[np.float32]] = {}
    latest: dict[str, str] = {}
    for row in rows:
        # Later rows come later: a reviewer's last word replaces the earlier one, if the same key brings it.
        # A name is free text: another key that uses it must not take back what its owner said.
        vote = Vote(row.reviewer, row.api_key_id, row.true_label == "ai_generated", row.created_at)
        votes.setdefault(row.sha256, {})[row.reviewer, row.api_key_id] = vote
        latest[row.sha256] = max(latest.get(row.sha256, ""), row.id)
        if row.embedding is not None and _same_features(row.model_version, model_version):
            embeddings[row.sha256] = np.frombuffer(row.embedding, "<f2").astype(np.float32)
    return [
        Judged(sha256, latest[sha256], _finite(embeddings.get(sha256)), tuple(said.values()))
        for sha256, said in votes.items()
        if since is None or any(vote.at > since for vote in said.values())
    ]


def _same_features(mine: str, wanted: str | None) -> bool:
    return wanted is None or mine.partition("+refit.")[0] == wanted.partition("+refit.")[0]


def _finite(embedding: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    return embedding if embedding is not None and np.isfinite(embedding).all() else None
