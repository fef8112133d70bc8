"""The database goes away and comes back: nothing acknowledged is lost, nothing deleted returns."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from sqlalchemy import event

from src.store.records import Outcome, Spooled
from src.store.spool import Spool
from src.store.store import Store
from src.utils.errors import StoreError
from tests.store.builders import a_claim, a_feedback, a_record
from tests.store.conftest import OpenStore
from tests.support.patience import until


@pytest.fixture
def blocked(tmp_path: Path) -> tuple[str, Path]:
    """A database that cannot be opened until the folder in its place is removed."""
    place = tmp_path / "detector.db"
    place.mkdir()
    return f"sqlite:///{place}", place


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Another program holds the database and does not let go."""
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_record_is_spooled_while_the_database_is_away_and_replayed_when_it_comes(
    blocked: tuple[str, Path], opened: OpenStore
) -> None:
    async def scenario() -> None:
        url, place = blocked
        store = opened(url)
        assert not store.up
        records = [a_record(probability=index / 20) for index in range(20)]
        assert await asyncio.gather(*(store.record(record) for record in records)) == [False] * 20
        stats = store.stats()
        assert (stats.spooled, stats.stored, stats.lost, stats.spool_records) == (20, 0, 0, 20)
        place.rmdir()
        await until(lambda: store.stats().replayed == 20)
        for record in records:
            found = await store.prediction(record.id)
            assert found is not None
            assert found.record == record
        stats = store.stats()
        assert (stats.up, stats.spool_records, stats.spool_bytes) == (True, 0, 0)
        assert await store.record(a_record())

    asyncio.run(scenario())


def test_all_but_recording_is_refused_while_the_database_is_away(
    blocked: tuple[str, Path], opened: OpenStore
) -> None:
    async def scenario() -> None:
        store = opened(blocked[0])
        record = a_record()
        await store.record(record)
        for call in (
            store.prediction(record.id),
            store.feedback(a_feedback(record.id)),
            store.review(),
            store.delete(record.id),
        ):
            with pytest.raises(StoreError):
                await call
        assert await store.recall(a_claim()) is None

    asyncio.run(scenario())


def test_spool_outlives_the_process(blocked: tuple[str, Path], opened: OpenStore) -> None:
    async def scenario() -> None:
        url, place = blocked
        before, record = opened(url), a_record()
        assert await before.record(record) is False
        await asyncio.to_thread(before.close)
        place.rmdir()
        after = opened(url)
        await until(lambda: after.stats().replayed == 1)
        assert await after.prediction(record.id) is not None

    asyncio.run(scenario())


def test_spool_is_bounded_and_what_is_over_it_is_counted_and_told(
    blocked: tuple[str, Path], opened: OpenStore
) -> None:
    async def scenario() -> None:
        store = opened(blocked[0], spool_bytes=5 * 4096)
        with structlog.testing.capture_logs() as logs:
            for _ in range(8):
                assert await store.record(a_record()) is False
        stats = store.stats()
        assert (stats.spooled, stats.lost, stats.spool_records) == (5, 3, 5)
        assert stats.spool_bytes <= 5 * 4096
        assert [line["event"] for line in logs] == ["record_lost"] * 3

    asyncio.run(scenario())


def test_disk_that_fails_is_counted_and_the_answer_still_comes(
    blocked: tuple[str, Path], opened: OpenStore, tmp_path: Path
) -> None:
    async def scenario() -> None:
        store = opened(blocked[0])
        shutil.rmtree(tmp_path / "spool")
        assert await store.record(a_record()) is False
        assert store.stats().lost == 1

    asyncio.run(scenario())


def test_full_disk_under_the_database_sends_records_to_the_spool_until_there_is_room(
    sqlite_url: str, opened: OpenStore
) -> None:
    async def scenario() -> None:
        store = opened(sqlite_url)
        assert await store.record(a_record())
        engine = store._bridge._engine
        pages = "PRAGMA max_page_count = {}"
        room = {"limit": 1}  # fewer than there are: SQLite takes the present count, so the file cannot grow

        def limit_pages(connection: sqlite3.Connection, _: object) -> None:
            connection.execute(pages.format(room["limit"])).fetchall()

        event.listen(engine, "connect", limit_pages)
        engine.dispose()
        records = [a_record(evidence={"long": "x" * 20_000}) for _ in range(5)]
        kept = [await store.record(record) for record in records]
        assert kept == [False] * 5
        assert store.stats().spool_records == 5
        room["limit"] = 100_000
        await until(lambda: store.stats().replayed == 5)
        for record in records:
            assert await store.prediction(record.id) is not None

    asyncio.run(scenario())


def test_stuck_database_costs_one_wait_and_not_one_for_each_record(
    sqlite_url: str, opened: OpenStore
) -> None:
    async def scenario() -> None:
        store = opened(sqlite_url, write_timeout_s=1.5)
        first, later = a_record(), [a_record() for _ in range(8)]
        with locked(sqlite_url):
            assert await store.record(first) is False
            assert not store.up
            loop = asyncio.get_running_loop()
            begun = loop.time()
            for record in later:
                assert await store.record(record) is False
            # Eight waits would be 12 s; eight flushed files are quick.
            assert loop.time() - begun < 11
        await until(lambda: store.stats().spool_records == 0)
        page = await store.review(limit=100)
        # Both ways to the database were taken for the first one, and it is there once.
        assert sorted(item.id for item in page.items) == sorted(item.id for item in [first, *later])

    asyncio.run(scenario())


def test_deleted_while_it_waited_elsewhere_does_not_come_back(
    sqlite_url: str, opened: OpenStore, tmp_path: Path
) -> None:
    """One host has the record in its spool, the deletion reaches another host."""

    async def scenario() -> None:
        record = a_record()
        here = opened(sqlite_url)
        assert not await here.delete(record.id)
        late = Spool(tmp_path / "late", max_bytes=2**20)
        late.put(record.id, Spooled(record=record).model_dump_json().encode())
        there = opened(sqlite_url, spool_dir=tmp_path / "late")
        await until(lambda: there.stats().replayed == 1)
        assert await there.prediction(record.id) is None

    asyncio.run(scenario())


@pytest.fixture
def half_back(sqlite_url: str, opened: OpenStore, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store that is up, with replay held back."""
    store = opened(sqlite_url)
    monkeypatch.setattr(store._writer, "_spare_work", lambda: False)
    return store


def put_aside(store: Store, item: Spooled) -> None:
    assert store._spool.put(item.record.id, item.model_dump_json().encode())


def test_record_that_still_waits_can_be_read_judged_and_deleted(half_back: Store) -> None:
    async def scenario() -> None:
        store, record, other = half_back, a_record(), a_record()
        put_aside(store, Spooled(record=record))
        put_aside(store, Spooled(record=other))
        found = await store.prediction(record.id)
        assert found is not None
        assert found.record == record
        await store.feedback(a_feedback(record.id))
        found = await store.prediction(record.id)
        assert found is not None
        assert len(found.feedback) == 1
        store._spool.put("f" * 32, b"damaged")
        assert await store.prediction("f" * 32) is None
        assert store._spool.remove("f" * 32)
        assert await store.delete(other.id)
        assert await store.prediction(other.id) is None
        assert store.stats().spool_records == 1

    asyncio.run(scenario())


def test_key_spooled_with_its_record_is_remembered_after_replay(
    blocked: tuple[str, Path], opened: OpenStore
) -> None:
    async def scenario() -> None:
        url, place = blocked
        store, record = opened(url), a_record()
        outcome = await store.record_once(record, a_claim())
        assert outcome == Outcome(stored=False, prediction_id=record.id)
        # Its key could not be checked while the database was away; its answer was given, so it stays.
        await asyncio.sleep(0.005)  # ids, and so the order of the replay, tell milliseconds apart
        rival, twin = a_record(), a_record()
        await store.record_once(rival, a_claim(b"another"))
        await store.record_once(twin, a_claim())
        place.rmdir()
        await until(lambda: store.stats().replayed == 3)
        assert await store.recall(a_claim()) == record.id
        assert await store.prediction(rival.id) is not None
        assert await store.prediction(twin.id) is not None

    asyncio.run(scenario())


def test_damaged_file_in_the_spool_is_put_aside_and_holds_nothing_up(
    sqlite_url: str, opened: OpenStore, tmp_path: Path
) -> None:
    async def scenario() -> None:
        record = a_record()
        spool = Spool(tmp_path / "spool", max_bytes=2**20)
        spool.put("0" * 32, b'{"record": {"id": "torn')
        spool.put(record.id, Spooled(record=record).model_dump_json().encode())
        store = opened(sqlite_url)
        await until(lambda: store.stats().replayed == 1)
        assert await store.prediction(record.id) is not None
        assert (store.stats().rejected, store.stats().spool_records) == (1, 0)
        assert [path.stem for path in (tmp_path / "spool" / "rejected").iterdir()] == ["0" * 32]

    asyncio.run(scenario())
