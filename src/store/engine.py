"""A URL in, an engine out whose commits are durable and whose calls end: SQLite or PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from src.utils.errors import ConfigError

READ_ONLY = "detector_read_only"
"""Execution option of a connection that only reads: on SQLite it then takes no write lock."""
_SQLITE_WAIT_S = 5
_POSTGRES_CONNECT_S = 3
_POSTGRES_STATEMENT_MS = 10_000


def make_engine(url: str) -> Engine:
    """Build an engine; connects to nothing yet.

    Args:
        url: `sqlite:///path` or `postgresql://…` (by psycopg).

    Raises:
        ConfigError: The URL is damaged, of another database, or of one that lives in memory; or its driver
            is not installed. The message does not repeat the URL, which may hold a password.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError("the store's URL cannot be read") from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(parsed)
    if backend == "postgresql":
        return _postgres(parsed)
    raise ConfigError(f"the store takes SQLite or PostgreSQL, not {backend!r}")


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigError("a database in memory keeps nothing; name a file: sqlite:///var/detector.db")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("the folder of the store's file cannot be made") from error
    engine = create_engine(url, connect_args={"timeout": _SQLITE_WAIT_S})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: DBAPIConnection, _: object) -> None:
    # The driver must not begin transactions by itself: it would begin them as readers, and a reader that
    # turns writer fails at once when another process wrote meanwhile.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # FULL flushes the log at each commit. NORMAL, common with WAL, loses the last commits at a power cut.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA fullfsync = ON")
    cursor.execute("PRAGMA foreign_keys = ON")
    # A deletion overwrites what it deletes.
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _postgres(url: URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    limits: dict[str, Any] = {
        "connect_timeout": _POSTGRES_CONNECT_S,
        # A server that vanished without a word is noticed in seconds, not in the system's minutes.
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
    try:
        engine = create_engine(
            url,
            connect_args={name: value for name, value in limits.items() if name not in url.query},
            # After a restart of the server the pool's old connections are replaced, not failed on.
            pool_pre_ping=True,
            pool_timeout=5,
        )
    except (ImportError, NoSuchModuleError) as error:
        raise ConfigError("the driver of the store's URL is not installed") from error
    event.listen(engine, "connect", _set_up_postgres)
    return engine


def _set_up_postgres(connection: DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    # `off` would acknowledge before the log is flushed; stricter values than `on` stay as they are.
    cursor.execute(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )
    cursor.execute("SELECT set_config('statement_timeout', %s, false)", (str(_POSTGRES_STATEMENT_MS),))
    cursor.close()
    connection.commit()
