"""What the store says to the database: each function is one step in a transaction of the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

from src.store.records import Claim, Feedback, PredictionRecord, Spooled, StoredPrediction, now
from src.store.tables import claims, deletions, feedback, jobs, predictions
from src.utils.errors import IdempotencyConflict, NotFoundError

JOB_DAYS = 7
"""How long a job can be asked about; its predictions stay as long as all others."""
_COMPUTED = {"day", "margin", "reviewed_at"}
RECORD_COLUMNS = [column for column in predictions.c if column.name not in _COMPUTED]


def insert_prediction(connection: Connection, record: PredictionRecord) -> None:
    """Insert a record; one that is there already stays as it is, so that any write may be repeated."""
    # Dumping to Python keeps bytes and moments, which have columns of their own.
    values = record.model_dump() | {"day": record.day, "margin": record.margin}
    connection.execute(_insert(connection, predictions).on_conflict_do_nothing(), values)


def insert_once(connection: Connection, spooled: Spooled, claims_since: datetime) -> str:
    """Insert a record and its claim, unless the claim was met before.

    Returns:
        The id that answers the claim: the record's own, or the earlier prediction's.

    Raises:
        IdempotencyConflict: The claim was met before with another body; nothing was inserted.
    """
    record, claim = spooled.record, spooled.claim
    if claim is None:
        insert_prediction(connection, record)
        return record.id
    earlier = find_claim(connection, claim, claims_since)
    if earlier is not None:
        return earlier
    mine = (claims.c.owner == claim.owner) & (claims.c.key == claim.key)
    connection.execute(delete(claims).where(mine, claims.c.created_at < claims_since))
    insert_prediction(connection, record)
    inserted = connection.execute(
        _insert(connection, claims).on_conflict_do_nothing().returning(claims.c.key),
        claim.model_dump() | {"prediction_id": record.id, "created_at": record.created_at},
    )
    if inserted.first() is not None:
        return record.id
    # Another process came between: its transaction has ended, so its claim can be read now.
    connection.execute(delete(predictions).where(predictions.c.id == record.id))
    return find_claim(connection, claim, claims_since) or record.id


def find_claim(connection: Connection, claim: Claim, since: datetime) -> str | None:
    """Return the prediction that a claim was met by, if any since then.

    Raises:
        IdempotencyConflict: It was met for another body.
    """
    row = connection.execute(
        select(claims.c.body_hash, claims.c.prediction_id).where(
            claims.c.owner == claim.owner, claims.c.key == claim.key, claims.c.created_at >= since
        )
    ).one_or_none()
    if row is None:
        return None
    if row.body_hash != claim.body_hash:
        raise IdempotencyConflict("the idempotency key was used before, for another photo or other options")
    return str(row.prediction_id)


def insert_replayed(connection: Connection, waiting: Sequence[Spooled], claims_since: datetime) -> None:
    """Insert what waited in the spool, but for what was deleted meanwhile."""
    ids = [item.record.id for item in waiting]
    gone = set(connection.scalars(select(deletions.c.id).where(deletions.c.id.in_(ids))))
    for item in waiting:
        if item.record.id in gone:
            continue
        with suppress(IdempotencyConflict):
            insert_once(connection, item, claims_since)
        # Its answer has been given, with this id: it is kept also where its key is another one's by now.
        insert_prediction(connection, item.record)


def find_prediction(connection: Connection, prediction_id: str) -> StoredPrediction | None:
    """Return a prediction with its feedback, oldest first."""
    found = connection.execute(select(*RECORD_COLUMNS).where(predictions.c.id == prediction_id))
    row = found.mappings().one_or_none()
    if row is None:
        return None
    answers = connection.execute(
        select(feedback)
        .where(feedback.c.prediction_id == prediction_id)
        .order_by(feedback.c.created_at, feedback.c.id)
    )
    return StoredPrediction(
        record=to_record(row),
        feedback=tuple(Feedback.model_validate(dict(item)) for item in answers.mappings()),
    )


def to_record(row: RowMapping) -> PredictionRecord:
    """Shape a row of `RECORD_COLUMNS`."""
    return PredictionRecord.model_validate(dict(row))


def insert_feedback(
    connection: Connection, item: Feedback, spooled: Spooled | None, claims_since: datetime
) -> None:
    """Add feedback and take its prediction out of the review queue.

    Args:
        connection: Inside a transaction.
        item: The feedback.
        spooled: The prediction, where it still waits on disk; it is inserted first.
        claims_since: Idempotency keys met earlier have expired.

    Raises:
        NotFoundError: There is no such prediction.
    """
    if spooled is not None:
        insert_replayed(connection, [spooled], claims_since)
    reviewed = connection.execute(
        update(predictions).where(predictions.c.id == item.prediction_id).values(reviewed_at=item.created_at)
    )
    if not reviewed.rowcount:
        raise NotFoundError("no prediction is kept under this id")
    connection.execute(_insert(connection, feedback).on_conflict_do_nothing(), item.model_dump())


def delete_prediction(connection: Connection, prediction_id: str) -> bool:
    """Delete a prediction with all that hangs on it, and remember that its id must not come back.

    Returns:
        Whether it was there.
    """
    connection.execute(
        _insert(connection, deletions).on_conflict_do_nothing(),
        {"id": prediction_id, "deleted_at": now()},
    )
    return bool(connection.execute(delete(predictions).where(predictions.c.id == prediction_id)).rowcount)


def delete_expired(
    connection: Connection, *, before: datetime | None, claims_before: datetime, limit: int
) -> int:
    """Delete some of what is too old, and what another host's replay brought back after its deletion.

    Args:
        connection: Inside a transaction.
        before: Predictions made earlier go; none go by age without it.
        claims_before: Idempotency keys made earlier go.
        limit: Most predictions deleted in this step, so that others can write in between.

    Returns:
        Number of predictions deleted; when it is `limit`, more may be left.
    """
    connection.execute(delete(claims).where(claims.c.created_at < claims_before))
    connection.execute(delete(jobs).where(jobs.c.created_at < now() - timedelta(days=JOB_DAYS)))
    doomed: ColumnElement[bool] = predictions.c.id.in_(select(deletions.c.id))
    if before is not None:
        doomed |= predictions.c.created_at < before
    some = connection.scalars(select(predictions.c.id).where(doomed).limit(limit)).all()
    if some:
        connection.execute(delete(predictions).where(predictions.c.id.in_(some)))
    return len(some)


def _insert(connection: Connection, table: Table) -> PostgresInsert | SqliteInsert:
    # Both know ON CONFLICT, and each has its own class for it.
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
