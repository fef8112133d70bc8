"""Brings a database's tables to what this code needs; safe when several processes start at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine, text

from src.utils.errors import StoreError

_LOCK = 0x0DE7EC7
"""Any number, the same in all processes: who holds PostgreSQL's advisory lock of it may migrate."""


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Run the migrations that are still missing, all of them or none, in one transaction.

    Raises:
        SQLAlchemyError: The database cannot be reached or refuses.
        StoreError: The database is of a newer revision than this code knows.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    # On SQLite the transaction itself begins with the write lock.
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            raise StoreError("the database is of a revision that this code does not know") from error
