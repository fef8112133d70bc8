"""The review queue: its order, and pages that neither repeat nor skip while others write."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from src.store.records import PredictionRecord
from src.store.store import Store
from src.utils.errors import RequestError
from tests.store.builders import a_feedback, a_record
from tests.store.conftest import OpenStore

DAY = datetime(2026, 3, 10, tzinfo=UTC)


def on_day(days: int, probability: float, **changes: object) -> PredictionRecord:
    return a_record(created_at=DAY + timedelta(days=days, hours=1), probability=probability, **changes)


async def all_pages(store: Store, limit: int) -> list[str]:
    ids: list[str] = []
    cursor = None
    while True:
        page = await store.review(cursor, limit)
        assert len(page.items) <= limit
        ids += [item.id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return ids


def test_newest_day_first_and_the_most_doubtful_first_within_a_day(store: Store) -> None:
    async def scenario() -> None:
        sure_today, doubtful_today = on_day(1, 0.9), on_day(1, 0.52)
        doubtful_yesterday, sure_yesterday = on_day(0, 0.5), on_day(0, 0.2)
        for record in (sure_yesterday, doubtful_today, doubtful_yesterday, sure_today):
            await store.record(record)
        expected = [doubtful_today, sure_today, doubtful_yesterday, sure_yesterday]
        assert [item.id for item in (await store.review()).items] == [item.id for item in expected]

    asyncio.run(scenario())


def test_doubt_is_distance_from_the_own_threshold_on_either_side(store: Store) -> None:
    async def scenario() -> None:
        near = on_day(0, 0.88, threshold=0.9)
        far = on_day(0, 0.5, threshold=0.9)
        above = on_day(0, 0.95, threshold=0.9)
        for record in (far, near, above):
            await store.record(record)
        assert await all_pages(store, 2) == [near.id, above.id, far.id]

    asyncio.run(scenario())


def test_sure_and_reviewed_predictions_do_not_wait(store: Store) -> None:
    async def scenario() -> None:
        sure, reviewed = a_record(needs_review=False), a_record()
        await store.record(sure)
        await store.record(reviewed)
        await store.feedback(a_feedback(reviewed.id))
        page = await store.review()
        assert (page.items, page.next_cursor) == ((), None)

    asyncio.run(scenario())


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_pages_put_together_are_the_whole_queue_in_order(store: Store, limit: int) -> None:
    async def scenario() -> None:
        random = Random(limit)
        # Few values, so that many are equal and the id must decide.
        records = [on_day(random.randrange(3), random.choice([0.1, 0.3, 0.7, 1 / 3])) for _ in range(40)]
        await asyncio.gather(*(store.record(record) for record in records))
        ordered = sorted(records, key=lambda record: record.id, reverse=True)
        ordered.sort(key=lambda record: (-record.day, record.margin))
        assert await all_pages(store, limit) == [record.id for record in ordered]

    asyncio.run(scenario())


def test_what_is_added_or_reviewed_between_pages_neither_repeats_nor_hides_the_rest(store: Store) -> None:
    async def scenario() -> None:
        records = [on_day(0, 0.5 + step / 100) for step in range(6)]
        for record in records:
            await store.record(record)
        first = await store.review(limit=3)
        assert [item.id for item in first.items] == [record.id for record in records[:3]]
        await store.feedback(a_feedback(records[0].id))
        await store.feedback(a_feedback(records[3].id))
        await store.record(on_day(1, 0.5))
        await store.record(on_day(0, 0.505))
        second = await store.review(first.next_cursor, limit=10)
        assert [item.id for item in second.items] == [record.id for record in records[4:]]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "//",
        *(
            base64.urlsafe_b64encode(text.encode()).decode()
            for text in (
                "1/0x1p-2",
                f"x/0x1p-2/{'0' * 32}",
                f"1/nan/{'0' * 32}",
                f"1/0x1p99999/{'0' * 32}",
                f"99999999999999999999/0x1p-2/{'0' * 32}",
                "1/0x1p-2/' OR 1=1",
                "1" * 9999 + "/0x0p0/a",
            )
        ),
    ],
)
def test_cursor_that_was_not_given_out_here_is_refused(
    sqlite_url: str, opened: OpenStore, cursor: str
) -> None:
    with pytest.raises(RequestError) as caught:
        asyncio.run(opened(sqlite_url).review(cursor))
    assert caught.value.code == "invalid_request"
