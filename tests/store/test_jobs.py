"""Jobs in both databases: kept, ended once, and each message handed to one process at a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from src.store.job_records import Job, JobItem
from src.store.records import new_id, now
from src.store.store import Store
from src.store.tables import jobs
from tests.store.conftest import OpenStore


def a_job(**changes: Any) -> Job:
    fields: dict[str, Any] = {"ends_at": now() + timedelta(seconds=60), "photos": 2}
    return Job(**(fields | changes))


def to_be_told(**changes: Any) -> Job:
    return a_job(callback_url="https://shop.example/done", delivery="waiting", **changes)


ITEMS = [
    JobItem(index=0, prediction_id=new_id()),
    JobItem(index=1, code="corrupt_image", detail="It is cut."),
]


async def over(store: Store, job: Job) -> None:
    """Let the time of a job be over."""
    past = update(jobs).where(jobs.c.id == job.id).values(ends_at=now() - timedelta(seconds=1))
    await store._bridge.write(lambda connection: connection.execute(past) and None)


async def due_again(store: Store, job: Job) -> None:
    await store.jobs.postpone(job.id, -1)


def test_a_job_is_kept_and_ends_once(store: Store) -> None:
    async def scenario() -> None:
        job = a_job(owner="key")
        await store.jobs.begin(job)
        assert await store.jobs.find(job.id) == job
        await store.jobs.finish(job, ITEMS, "done")
        await store.jobs.finish(job, [], "interrupted")
        found = await store.jobs.find(job.id)
        assert found is not None
        assert (found.state, found.items, found.owner) == ("done", tuple(ITEMS), "key")
        assert await store.jobs.find(new_id()) is None

    asyncio.run(scenario())


def test_only_who_wants_to_be_told_is_told_and_not_before_the_end(store: Store) -> None:
    async def scenario() -> None:
        silent, early, told = a_job(), to_be_told(), to_be_told()
        for job in (silent, early, told):
            await store.jobs.begin(job)
        for job in (silent, told):
            await store.jobs.finish(job, ITEMS, "done")
        taken = await store.jobs.take_due(60, 10)
        assert [(job.id, job.attempts, job.items) for job in taken] == [(told.id, 1, tuple(ITEMS))]
        assert await store.jobs.take_due(60, 10) == []

    asyncio.run(scenario())


def test_a_message_that_failed_comes_again_and_one_that_was_taken_does_not(store: Store) -> None:
    async def scenario() -> None:
        job = to_be_told()
        await store.jobs.begin(job)
        await store.jobs.finish(job, ITEMS, "done")
        for attempt in (1, 2, 3):
            (taken,) = await store.jobs.take_due(60, 10)
            assert taken.attempts == attempt
            await due_again(store, job)
        await store.jobs.delivered(job.id, ok=True)
        assert await store.jobs.take_due(60, 10) == []
        found = await store.jobs.find(job.id)
        assert found is not None
        assert found.delivery == "delivered"

    asyncio.run(scenario())


def test_two_processes_never_hold_the_same_message(url: str, opened: OpenStore) -> None:
    async def scenario() -> None:
        first, second = opened(url), opened(url)
        wanted = [to_be_told() for _ in range(12)]
        for job in wanted:
            await first.jobs.begin(job)
            await first.jobs.finish(job, ITEMS, "done")
        taken: list[str] = []
        while len(taken) < len(wanted):
            both = await asyncio.gather(first.jobs.take_due(60, 4), second.jobs.take_due(60, 4))
            assert any(both)
            taken += [job.id for found in both for job in found]
        assert sorted(taken) == sorted(job.id for job in wanted)

    asyncio.run(scenario())


def test_a_job_whose_process_is_gone_is_told_as_interrupted(store: Store) -> None:
    async def scenario() -> None:
        job = to_be_told()
        await store.jobs.begin(job)
        await over(store, job)
        found = await store.jobs.find(job.id)
        assert found is not None
        assert found.state == "interrupted"
        (taken,) = await store.jobs.take_due(60, 10)
        assert (taken.id, taken.state) == (job.id, "interrupted")
        await store.jobs.finish(job, ITEMS, "done")  # the process was only slow: too late
        found = await store.jobs.find(job.id)
        assert found is not None
        assert (found.state, found.items) == ("interrupted", ())

    asyncio.run(scenario())


def test_old_jobs_are_forgotten(url: str, opened: OpenStore) -> None:
    async def scenario() -> None:
        store = opened(url, upkeep_every_s=0.05)
        old, young = a_job(created_at=now() - timedelta(days=8)), a_job()
        for job in (old, young):
            await store.jobs.begin(job)
        async with asyncio.timeout(60):
            while await store.jobs.find(old.id) is not None:  # noqa: ASYNC110 - upkeep tells nobody
                await asyncio.sleep(0.01)
        assert await store.jobs.find(young.id) is not None

    asyncio.run(scenario())
