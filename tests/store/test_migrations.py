"""The migrations make the tables that the code uses, once, whoever else starts at the same time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from src.store.engine import make_engine
from src.store.migrate import upgrade
from src.store.tables import metadata
from src.utils.errors import StoreError
from tests.store.builders import a_record
from tests.store.conftest import OpenStore

REPO = Path(__file__).parents[2]


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    yield engine
    engine.dispose()


def revision(engine: Engine) -> str:
    with engine.begin() as connection:
        return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def test_from_empty_they_make_just_the_tables_of_the_code(engine: Engine) -> None:
    upgrade(engine)
    assert set(metadata.tables) == set(inspect(engine).get_table_names()) - {"alembic_version"}
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_indexes_and_cascades_are_made(engine: Engine) -> None:
    upgrade(engine)
    found = inspect(engine)
    for table in metadata.sorted_tables:
        made = {index["name"] for index in found.get_indexes(table.name)}
        assert made == {index.name for index in table.indexes}
        for key in found.get_foreign_keys(table.name):
            assert key["options"]["ondelete"] == "CASCADE"


def test_a_second_run_changes_nothing(engine: Engine, url: str, opened: OpenStore) -> None:
    async def scenario() -> None:
        store, record = opened(url), a_record()
        await store.record(record)
        upgrade(engine)
        upgrade(engine)
        assert await store.prediction(record.id) is not None

    asyncio.run(scenario())
    assert revision(engine) == "0002"


def test_processes_that_start_together_migrate_once(url: str, engine: Engine) -> None:
    code = (
        "import sys; from src.store.engine import make_engine; from src.store.migrate import upgrade; "
        "upgrade(make_engine(sys.argv[1]))"
    )
    starts = [subprocess.Popen([sys.executable, "-c", code, url], cwd=REPO) for _ in range(3)]
    assert [process.wait(60) for process in starts] == [0] * 3
    assert revision(engine) == "0002"


def test_back_to_nothing_and_up_again(engine: Engine) -> None:
    upgrade(engine)
    _downgrade(engine)
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    upgrade(engine)
    assert "predictions" in inspect(engine).get_table_names()


def _downgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(REPO / "src/store/migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")


def test_database_of_a_later_release_is_left_alone_and_records_wait(
    engine: Engine, url: str, opened: OpenStore
) -> None:
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from-the-future'"))
    with pytest.raises(StoreError, match="revision"):
        upgrade(engine)
    store = opened(url)
    assert not store.up
    assert asyncio.run(store.record(a_record())) is False
    assert store.stats().spool_records == 1


def test_review_page_walks_its_index(sqlite_url: str) -> None:
    from src.store import review

    engine = make_engine(sqlite_url)
    upgrade(engine)
    seen: list[str] = []
    with engine.begin() as connection:
        original = connection.execute

        def explained(statement, *arguments):
            text_of = str(statement.compile(engine, compile_kwargs={"literal_binds": True}))
            seen.extend(str(row[-1]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text_of}"))
            return original(statement, *arguments)

        connection.execute = explained  # type: ignore[method-assign]
        review.page(connection, None, 10)
    engine.dispose()
    assert any("ix_predictions_review" in line for line in seen)
    assert not any("TEMP B-TREE" in line for line in seen)
