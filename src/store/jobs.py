"""Jobs as they are kept: which predictions a batch led to, and whether its caller has been told.

Verdicts are predictions like all others; a job holds only their ids, so that a deletion leaves nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Executable, RowMapping, Update, insert, select, update

from src.store.bridge import Bridge
from src.store.job_records import Job, JobItem, JobState
from src.store.records import now
from src.store.tables import jobs


class JobBook:
    """Awaitable access to the jobs of a store. Every method raises `StoreError` when the database is away."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    async def begin(self, job: Job) -> None:
        """Keep a new job; durable when this returns."""
        statement = insert(jobs).values(**job.model_dump())
        await self._bridge.write(lambda connection: _run(connection, statement))

    async def find(self, job_id: str) -> Job | None:
        """Return a job; one whose time is over without an end counts as interrupted."""
        found = await self._bridge.read(lambda connection: _find(connection, job_id))
        if found is not None and found.state == "working" and found.ends_at <= now():
            return found.model_copy(update={"state": "interrupted"})
        return found

    async def finish(self, job: Job, items: Sequence[JobItem], state: JobState) -> None:
        """Keep what became of a job; its caller, if it wants to be told, is due at once."""
        told = [item.model_dump(exclude_none=True) for item in items]
        statement = _ending(state, now(), job.id).values(items=told)
        await self._bridge.write(lambda connection: _run(connection, statement))

    async def take_due(self, lease_s: float, limit: int) -> list[Job]:
        """Take jobs whose callers are to be told now; nobody else gets them before the lease is over.

        A job that was left in the middle, by a process that is gone, ends here as interrupted.
        """
        return await self._bridge.write(lambda connection: _take_due(connection, lease_s, limit))

    async def delivered(self, job_id: str, *, ok: bool) -> None:
        """Note that a caller has been told, or that there is no use in trying on."""
        outcome = "delivered" if ok else "failed"
        statement = update(jobs).where(jobs.c.id == job_id).values(delivery=outcome, next_attempt_at=None)
        await self._bridge.write(lambda connection: _run(connection, statement))

    async def postpone(self, job_id: str, seconds: float) -> None:
        """Note when a caller is to be called again."""
        due = now() + timedelta(seconds=seconds)
        statement = update(jobs).where(jobs.c.id == job_id).values(next_attempt_at=due)
        await self._bridge.write(lambda connection: _run(connection, statement))


def _run(connection: Connection, statement: Executable) -> None:
    connection.execute(statement)


def _find(connection: Connection, job_id: str) -> Job | None:
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().one_or_none()
    return None if row is None else _job(row)


def _job(row: RowMapping) -> Job:
    return Job.model_validate(dict(row))


def _ending(state: JobState, moment: datetime, job_id: str | None = None) -> Update:
    """End jobs that are still at work: the one of this id, or all whose time is over at this moment."""
    mine = jobs.c.id == job_id if job_id is not None else jobs.c.ends_at <= moment
    return (
        update(jobs)
        .where(mine, jobs.c.state == "working")
        .values(state=state, ended_at=moment, next_attempt_at=moment)
    )


def _take_due(connection: Connection, lease_s: float, limit: int) -> list[Job]:
    moment = now()
    connection.execute(_ending("interrupted", moment))
    due = (jobs.c.delivery == "waiting") & (jobs.c.state != "working") & (jobs.c.next_attempt_at <= moment)
    some = connection.scalars(
        select(jobs.c.id).where(due).order_by(jobs.c.next_attempt_at).limit(limit)
    ).all()
    taken = connection.execute(
        update(jobs)
        # Asked again: another process may have taken one of them since.
        .where(jobs.c.id.in_(some), due)
        .values(attempts=jobs.c.attempts + 1, next_attempt_at=moment + timedelta(seconds=lease_s))
        .returning(*jobs.c)
    )
    return [_job(row) for row in taken.mappings()]
