"""Retention: what is too old goes, photos and keys too; a clock that jumps deletes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from sqlalchemy import Engine, func, insert, select
from sqlalchemy.exc import OperationalError

from src.store.engine import make_engine
from src.store.migrate import upgrade
from src.store.records import new_id
from src.store.spool import Spool
from src.store.statements import insert_prediction
from src.store.tables import claims, deletions, predictions
from src.store.upkeep import Upkeep
from tests.store.builders import a_claim, a_feedback, a_record
from tests.store.conftest import OpenStore
from tests.support.patience import until

MakeUpkeep = Callable[..., tuple[Upkeep, Engine]]


def ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


def test_old_predictions_and_what_hangs_on_them_are_deleted(url: str, opened: OpenStore) -> None:
    async def scenario() -> None:
        keeping = opened(url)
        old, young = a_record(created_at=ago(days=31)), a_record(created_at=ago(days=29))
        await keeping.record_once(old, a_claim())
        await keeping.record(young)
        await keeping.feedback(a_feedback(old.id))
        await keeping.feedback(a_feedback(young.id))
        await asyncio.to_thread(keeping.close)
        store = opened(url, retention_days=30, upkeep_every_s=0.05)
        await until(lambda: store.stats().purged == 1)
        assert await store.prediction(old.id) is None
        found = await store.prediction(young.id)
        assert found is not None
        assert len(found.feedback) == 1

    asyncio.run(scenario())


def test_nothing_goes_by_age_without_a_retention(url: str, opened: OpenStore) -> None:
    async def scenario() -> None:
        store = opened(url, upkeep_every_s=0.05)
        ancient = a_record(created_at=ago(days=4000))
        await store.record(ancient)
        await asyncio.sleep(0.3)
        assert await store.prediction(ancient.id) is not None

    asyncio.run(scenario())


@pytest.fixture
def made(sqlite_url: str, tmp_path: Path) -> MakeUpkeep:
    def make(**options: float) -> tuple[Upkeep, Engine]:
        engine = make_engine(sqlite_url)
        upgrade(engine)
        fields = {"retention_days": 30, "claim_hours": 24, "every_s": 0} | options
        spool = Spool(tmp_path / "spool", max_bytes=2**20)
        return Upkeep(engine, spool, None, **fields), engine

    return make


def count(engine: Engine) -> int:
    with engine.begin() as connection:
        return connection.scalar(select(func.count()).select_from(predictions)) or 0


def test_many_are_deleted_in_steps_so_that_writers_come_between(made: MakeUpkeep) -> None:
    upkeep, engine = made()
    with engine.begin() as connection:
        for _ in range(1100):
            insert_prediction(connection, a_record(created_at=ago(days=31), evidence=None, embedding=None))
    assert [upkeep(), count(engine)] == [True, 600]
    assert [upkeep(), count(engine)] == [True, 100]
    assert [upkeep(), count(engine)] == [False, 0]
    assert upkeep.purged == 1100
    engine.dispose()


@pytest.mark.parametrize("jump_s", [400 * 86_400, -400 * 86_400])
def test_clock_that_jumps_deletes_nothing_until_it_has_held_still(
    made: MakeUpkeep, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    upkeep, engine = made()
    record = a_record(created_at=ago(days=31))
    with engine.begin() as connection:
        insert_prediction(connection, record)
    real = time.time
    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logs:
        patched.setattr("src.store.upkeep.time.time", lambda: real() + jump_s)
        upkeep()
    assert count(engine) == 1
    assert [line["event"] for line in logs] == ["retention_skipped"]
    upkeep()  # back again: a jump as well
    assert count(engine) == 1
    upkeep()
    assert count(engine) == 0
    engine.dispose()


def test_what_a_late_replay_brought_back_after_its_deletion_is_swept(made: MakeUpkeep) -> None:
    upkeep, engine = made(retention_days=0)
    doomed, other = a_record(), a_record()
    with engine.begin() as connection:
        insert_prediction(connection, doomed)
        insert_prediction(connection, other)
        connection.execute(insert(deletions), {"id": doomed.id, "deleted_at": ago(days=1)})
    upkeep()
    with engine.begin() as connection:
        assert connection.scalars(select(predictions.c.id)).all() == [other.id]
    engine.dispose()


def test_old_keys_are_forgotten_and_their_predictions_stay(made: MakeUpkeep) -> None:
    upkeep, engine = made(retention_days=0)
    record = a_record()
    with engine.begin() as connection:
        insert_prediction(connection, record)
        for key, hours in (("old", 25), ("young", 23)):
            row = a_claim(key=key).model_dump() | {"prediction_id": record.id, "created_at": ago(hours=hours)}
            connection.execute(insert(claims), row)
    upkeep()
    with engine.begin() as connection:
        assert connection.scalars(select(claims.c.key)).all() == ["young"]
    assert count(engine) == 1
    engine.dispose()


def test_deleted_content_leaves_the_file_and_the_log(made: MakeUpkeep, tmp_path: Path) -> None:
    upkeep, engine = made()
    word = new_id()
    with engine.begin() as connection:
        insert_prediction(connection, a_record(created_at=ago(days=31), evidence={"secret": word}))
    upkeep()
    files = [path for path in tmp_path.iterdir() if path.name.startswith("detector.db")]
    assert len(files) >= 2
    assert not any(word.encode() in path.read_bytes() for path in files)
    engine.dispose()


class FailingImages:
    """A place for photos that cannot delete."""

    def __init__(self) -> None:
        self.asked = 0

    def expire(self, moment: datetime) -> None:
        self.asked += 1
        raise OSError(5, "Input/output error")


def test_what_cannot_expire_leaves_the_store_up_and_is_told_and_counted(
    url: str, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> int:
        raise OperationalError("DELETE", {}, Exception("canceling statement due to statement timeout"))

    monkeypatch.setattr("src.store.upkeep.statements.delete_expired", locked)
    images = FailingImages()

    async def scenario() -> None:
        store = opened(url, retention_days=30, upkeep_every_s=0.05, retry_s=0.02)
        store._upkeep._images = images  # type: ignore[assignment]
        states: list[bool] = []

        def failed_often() -> bool:
            states.append(store.up)
            return store.stats().expiry_failed >= 6

        with structlog.testing.capture_logs() as logs:
            await until(failed_often)
        assert all(states)
        assert await store.record(a_record())
        assert (store.stats().spooled, store.stats().purged) == (0, 0)
        assert {(line["event"], line["what"]) for line in logs} == {
            ("expiry_failed", "predictions"),
            ("expiry_failed", "photos"),
        }

    asyncio.run(scenario())
    assert images.asked >= 2  # again at the next round


def test_what_cannot_expire_waits_for_the_next_round(
    made: MakeUpkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep, engine = made(every_s=0.0)
    upkeep._every_s = 3600.0
    with engine.begin() as connection:
        insert_prediction(connection, a_record(created_at=ago(days=31)))
    with monkeypatch.context() as broken:
        broken.setattr("src.store.upkeep.statements.delete_expired", lambda *_, **__: 1 // 0)
        assert upkeep() is False
    assert (upkeep.expiry_failed, upkeep(), count(engine)) == (1, False, 1)
    upkeep._next_purge = 0.0
    assert (upkeep(), count(engine)) == (False, 0)
    engine.dispose()
