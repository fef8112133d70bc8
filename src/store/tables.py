"""The tables, for SQLite and PostgreSQL alike. The migrations make them; a test holds the two together."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    true,
)
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in, an aware moment in UTC out, also from SQLite, which knows no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn to UTC; SQLite gets it without the zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a zone is not stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


# Without names, SQLite's constraints could not be altered by a later migration.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

predictions = Table(
    "predictions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("sha256", String(64), nullable=False, index=True),
    Column("label", String(16), nullable=False),
    Column("probability", Double, nullable=False),
    Column("logit", Double, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("policy", String(200), nullable=False),
    Column("needs_review", Boolean, nullable=False),
    Column("model_version", String(200), nullable=False),
    Column("api_key_id", String(200)),
    Column("evidence", JSON(none_as_null=True)),
    Column("facts", JSON(none_as_null=True)),
    Column("timings_ms", JSON, nullable=False),
    Column("embedding", LargeBinary),
    Column("has_image", Boolean, nullable=False),
    Column("day", Integer, nullable=False),
    Column("margin", Double, nullable=False),
    Column("reviewed_at", UtcDateTime),
)
# Wants a person's look and has not had one.
waiting = (predictions.c.needs_review == true()) & predictions.c.reviewed_at.is_(None)
# The review queue in its own order: one walk along the index for each page, whatever else the table holds.
Index(
    "ix_predictions_review",
    predictions.c.day.desc(),
    predictions.c.margin,
    predictions.c.id.desc(),
    sqlite_where=waiting,
    postgresql_where=waiting,
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(
        "prediction_id",
        String(32),
        ForeignKey("predictions.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("true_label", String(16), nullable=False),
    Column("reviewer", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("api_key_id", String(200)),
    Column("created_at", UtcDateTime, nullable=False),
)

claims = Table(
    "idempotency_keys",
    metadata,
    Column("owner", String(200), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_hash", String(64), nullable=False),
    Column(
        "prediction_id",
        String(32),
        ForeignKey("predictions.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("created_at", UtcDateTime, nullable=False, index=True),
)

# Ids that must not come back: a record may still wait in some host's spool when its deletion is asked for.
deletions = Table(
    "deletions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("deleted_at", UtcDateTime, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("state", String(16), nullable=False),
    Column("photos", Integer, nullable=False),
    Column("items", JSON, nullable=False),
    Column("callback_url", Text),
    Column("delivery", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime, index=True),
)
