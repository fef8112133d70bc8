"""What is kept comes back whole, on either database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from src.store.records import PredictionRecord, new_id
from src.store.store import Store
from src.utils.errors import IdempotencyConflict, NotFoundError
from tests.store.builders import a_claim, a_feedback, a_record
from tests.store.conftest import OpenStore


async def records_of(store: Store) -> list[PredictionRecord]:
    return list((await store.review(limit=10_000)).items)


def test_prediction_comes_back_as_it_was(store: Store) -> None:
    async def scenario() -> None:
        record = a_record(
            created_at=datetime(2026, 2, 3, 4, 5, 6, 789_012, tzinfo=timezone(timedelta(hours=2)))
        )
        assert await store.record(record)
        found = await store.prediction(record.id)
        assert found is not None
        assert found.record == record
        assert found.record.created_at == datetime(2026, 2, 3, 2, 5, 6, 789_012, tzinfo=UTC)
        assert found.feedback == ()

    asyncio.run(scenario())


def test_optional_fields_may_be_absent(store: Store) -> None:
    async def scenario() -> None:
        bare = a_record(api_key_id=None, evidence=None, facts=None, timings_ms={}, embedding=None)
        assert await store.record(bare)
        found = await store.prediction(bare.id)
        assert found is not None
        assert found.record == bare

    asyncio.run(scenario())


def test_text_that_a_database_could_choke_on_is_stored(store: Store) -> None:
    async def scenario() -> None:
        record = a_record(
            evidence={"software": "a\0b\ud800c", "odd": float("nan"), "'); DROP TABLE": [1, None]}
        )
        assert record.evidence == {"software": "a\ufffdb\ufffdc", "odd": None, "'); DROP TABLE": [1, None]}
        assert await store.record(record)
        found = await store.prediction(record.id)
        assert found is not None
        assert found.record == record

    asyncio.run(scenario())


def test_unknown_prediction(store: Store) -> None:
    async def scenario() -> None:
        assert await store.prediction(new_id()) is None
        assert not await store.delete(new_id())
        with pytest.raises(NotFoundError):
            await store.feedback(a_feedback(new_id()))

    asyncio.run(scenario())


def test_many_at_once_share_commits_and_none_is_lost(store: Store) -> None:
    async def scenario() -> None:
        records = [a_record() for _ in range(400)]
        assert all(await asyncio.gather(*(store.record(record) for record in records)))
        assert {item.id for item in await records_of(store)} == {record.id for record in records}
        stats = store.stats()
        assert (stats.stored, stats.spooled, stats.lost, stats.written) == (400, 0, 0, 400)
        assert stats.batches < 100

    asyncio.run(scenario())


def test_readers_and_writers_together(store: Store) -> None:
    async def scenario() -> None:
        async def one(index: int) -> bool:
            record = a_record(probability=index / 100)
            await store.record(record)
            await store.feedback(a_feedback(record.id))
            found = await store.prediction(record.id)
            await store.review(limit=5)
            return found is not None and len(found.feedback) == 1

        assert all(await asyncio.gather(*(one(index) for index in range(60))))

    asyncio.run(scenario())


def test_two_stores_on_one_database_write_side_by_side(url: str, opened: OpenStore, tmp_path: Path) -> None:
    async def scenario() -> None:
        first, second = opened(url), opened(url, spool_dir=tmp_path / "other")
        jobs = [store.record(a_record()) for store in (first, second) for _ in range(100)]
        assert all(await asyncio.gather(*jobs))
        assert len(await records_of(first)) == 200

    asyncio.run(scenario())


def test_feedback_is_kept_in_order_and_ends_the_wait_for_review(store: Store) -> None:
    async def scenario() -> None:
        record, other = a_record(), a_record()
        await store.record(record)
        await store.record(other)
        first = a_feedback(record.id, reason="sent the raw file", api_key_id="k")
        second = a_feedback(record.id, true_label="ai_generated", reviewer="ben")
        await store.feedback(first)
        await store.feedback(second)
        found = await store.prediction(record.id)
        assert found is not None
        assert found.feedback == (first, second)
        assert [item.id for item in await records_of(store)] == [other.id]

    asyncio.run(scenario())


def test_deletion_takes_feedback_and_keys_along(store: Store) -> None:
    async def scenario() -> None:
        record = a_record()
        await store.record_once(record, a_claim())
        await store.feedback(a_feedback(record.id))
        assert await store.delete(record.id)
        assert await store.prediction(record.id) is None
        assert await store.recall(a_claim()) is None
        assert not await store.delete(record.id)

    asyncio.run(scenario())


def test_what_was_written_is_there_after_closing_and_opening(url: str, opened: OpenStore) -> None:
    async def scenario() -> None:
        record = a_record()
        before = opened(url)
        await before.record(record)
        await asyncio.to_thread(before.close)
        assert await opened(url).prediction(record.id) is not None

    asyncio.run(scenario())


def test_closing_writes_what_waits(url: str, opened: OpenStore) -> None:
    async def scenario() -> None:
        store = opened(url)
        jobs = [asyncio.create_task(store.record(a_record())) for _ in range(50)]
        await asyncio.sleep(0)
        await asyncio.to_thread(store.close)
        assert all(await asyncio.gather(*jobs))

    asyncio.run(scenario())


def test_same_key_and_body_answer_with_the_first_prediction(store: Store) -> None:
    async def scenario() -> None:
        first, second = a_record(), a_record()
        assert await store.recall(a_claim()) is None
        assert (await store.record_once(first, a_claim())).prediction_id == first.id
        assert await store.recall(a_claim()) == first.id
        outcome = await store.record_once(second, a_claim())
        assert (outcome.stored, outcome.prediction_id) == (True, first.id)
        assert await store.prediction(second.id) is None

    asyncio.run(scenario())


def test_same_key_with_another_body_is_a_conflict_and_keeps_nothing(store: Store) -> None:
    async def scenario() -> None:
        record = a_record()
        await store.record_once(a_record(), a_claim(b"one"))
        with pytest.raises(IdempotencyConflict):
            await store.recall(a_claim(b"two"))
        with pytest.raises(IdempotencyConflict):
            await store.record_once(record, a_claim(b"two"))
        assert await store.prediction(record.id) is None

    asyncio.run(scenario())


def test_callers_do_not_meet_each_others_keys(store: Store) -> None:
    async def scenario() -> None:
        mine, theirs = a_record(), a_record()
        await store.record_once(mine, a_claim(b"one", owner="a"))
        outcome = await store.record_once(theirs, a_claim(b"two", owner="b"))
        assert outcome.prediction_id == theirs.id

    asyncio.run(scenario())


def test_twins_in_flight_end_as_one_prediction(url: str, opened: OpenStore, tmp_path: Path) -> None:
    """Also across processes: two writers on one database."""

    async def scenario() -> None:
        stores = opened(url), opened(url, spool_dir=tmp_path / "other")
        twins = [store.record_once(a_record(), a_claim()) for _ in range(20) for store in stores]
        outcomes = await asyncio.gather(*twins)
        assert len({outcome.prediction_id for outcome in outcomes}) == 1
        assert [item.id for item in await records_of(stores[0])] == [outcomes[0].prediction_id]

    asyncio.run(scenario())


def test_expired_key_may_be_used_again(url: str, opened: OpenStore) -> None:
    async def scenario() -> None:
        store = opened(url, claim_hours=1)
        old = a_record(created_at=datetime.now(UTC) - timedelta(hours=2))
        await store.record_once(old, a_claim(b"one"))
        assert await store.recall(a_claim(b"two")) is None
        fresh = a_record()
        assert (await store.record_once(fresh, a_claim(b"two"))).prediction_id == fresh.id
        assert await store.recall(a_claim(b"two")) == fresh.id

    asyncio.run(scenario())
