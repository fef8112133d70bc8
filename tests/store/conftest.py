"""Each test of the store runs on SQLite and PostgreSQL, and skips the latter where there is none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog

from src.store.store import Store
from tests.support import postgres
from tests.support.programs import POSTGRES, needs

OpenStore = Callable[..., Store]


@pytest.fixture(autouse=True)
def logs_of_every_level() -> None:
    """An app that another test ran may have raised the level, and these tests read warnings."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    given = os.environ.get(postgres.URL_VARIABLE)
    if given:
        yield given
        return
    needs(POSTGRES)
    with postgres.cluster() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/detector.db"
        return
    with postgres.fresh_database(request.getfixturevalue("postgres_server")) as fresh:
        yield fresh


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/detector.db"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenStore]:
    """Opens stores that are closed after the test."""
    with ExitStack() as stack:

        def open_one(url: str, **options: Any) -> Store:
            fields: dict[str, Any] = {
                "spool_dir": tmp_path / "spool",
                "write_timeout_s": 60.0,
                "retry_s": 0.05,
            }
            store = Store.open(url, **(fields | options))
            stack.callback(store.close)
            return store

        yield open_one


@pytest.fixture
def store(url: str, opened: OpenStore) -> Store:
    return opened(url)
