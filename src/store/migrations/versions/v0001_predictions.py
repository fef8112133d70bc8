"""Predictions, feedback, idempotency keys and deletions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Written out, not taken from `tables`: a migration says what was true when it was written.
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "predictions",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("probability", sa.Double, nullable=False),
        sa.Column("logit", sa.Double, nullable=False),
        sa.Column("threshold", sa.Double, nullable=False),
        sa.Column("policy", sa.String(200), nullable=False),
        sa.Column("needs_review", sa.Boolean, nullable=False),
        sa.Column("model_version", sa.String(200), nullable=False),
        sa.Column("api_key_id", sa.String(200)),
        sa.Column("evidence", sa.JSON),
        sa.Column("facts", sa.JSON),
        sa.Column("timings_ms", sa.JSON, nullable=False),
        sa.Column("embedding", sa.LargeBinary),
        sa.Column("has_image", sa.Boolean, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("margin", sa.Double, nullable=False),
        sa.Column("reviewed_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_predictions"),
    )
    op.create_index("ix_predictions_created_at", "predictions", ["created_at"])
    op.create_index("ix_predictions_sha256", "predictions", ["sha256"])
    waiting = sa.and_(sa.column("needs_review") == sa.true(), sa.column("reviewed_at").is_(None))
    op.create_index(
        "ix_predictions_review",
        "predictions",
        [sa.text("day DESC"), "margin", sa.text("id DESC")],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("prediction_id", sa.String(32), nullable=False),
        sa.Column("true_label", sa.String(16), nullable=False),
        sa.Column("reviewer", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("api_key_id", sa.String(200)),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
        sa.ForeignKeyConstraint(
            ["prediction_id"], ["predictions.id"], name="fk_feedback_prediction_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_feedback_prediction_id", "feedback", ["prediction_id"])
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("prediction_id", sa.String(32), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name="pk_idempotency_keys"),
        sa.ForeignKeyConstraint(
            ["prediction_id"],
            ["predictions.id"],
            name="fk_idempotency_keys_prediction_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_idempotency_keys_prediction_id", "idempotency_keys", ["prediction_id"])
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "deletions",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("deleted_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deletions"),
    )


def downgrade() -> None:
    """Drop all; whoever goes back to nothing has made a copy."""
    for table in ("deletions", "idempotency_keys", "feedback", "predictions"):
        op.drop_table(table)
