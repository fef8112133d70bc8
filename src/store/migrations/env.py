"""What Alembic runs: the migrations, on the connection that `migrate.upgrade` opened and will commit."""

from __future__ import annotations

from alembic import context

from src.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters a table by copying it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
