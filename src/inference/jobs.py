"""Jobs: batches judged after their request was answered, few at a time, and their callers told of the end.

What a job is, and whom to tell, is in the store before its caller has its id. A service that goes down lets
its jobs finish for a moment and ends the others as interrupted; what waits is told by the next process.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import structlog

from src.inference.job_reply import describe, kept
from src.inference.schemas import BatchItem
from src.monitoring.metrics import Metrics
from src.store.job_records import Job, JobItem, JobState
from src.utils.errors import AccessError, OverloadedError, StoreError
from src.utils.settings import Settings

if TYPE_CHECKING:
    from src.inference.webhooks import Courier
    from src.store.store import Store

SLACK_S = 60.0
"""What a job may take beyond its photos' time, for a store that is slow or away."""
_LOOK_S = 2.0
"""Seconds between two looks for messages that are due."""
_AT_ONCE = 8
_STORE_RETRY_S = 1.0

_log = structlog.get_logger()


def make_courier(settings: Settings) -> Courier | None:
    """Make what tells callers on the hosts that the settings allow, if they allow any.

    Raises:
        ConfigError: There are hosts and no usable secret.
    """
    if not settings.webhook_hosts:
        return None
    from src.inference.webhooks import Courier  # noqa: PLC0415 - the service must be importable fast

    return Courier.from_settings(settings)


class Jobs:
    """The jobs of one app; lives on the event loop.

    Attributes:
        courier: Brings messages; none where no hosts are allowed.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self.courier = make_courier(settings)
        self._store: Store | None = None
        self._working: set[asyncio.Task[None]] = set()
        self._telling: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        metrics.watch("jobs", "Jobs that are being worked on", lambda: float(len(self._working)))

    @property
    def longest_s(self) -> float:
        """Seconds after which a job has ended, one way or another."""
        return self._settings.batch_deadline_s + self._settings.deadline_s + SLACK_S

    def start(self, store: Store | None) -> None:
        """Begin to tell callers, those of jobs of earlier processes too."""
        self._store = store
        if store is not None and self.courier is not None:
            self._telling = asyncio.create_task(self._tell_all(store, self.courier))

    def check_room(self) -> None:
        """Refuse early, before an upload is read.

        Raises:
            OverloadedError: As many jobs as may be are being worked on.
        """
        if len(self._working) >= self._settings.max_jobs:
            raise OverloadedError("too many jobs are being worked on; try again in a moment")

    def check_callback(self, url: str) -> None:
        """Check an address that is to be told.

        Raises:
            AccessError: `webhooks_disabled`: no hosts are allowed.
            UrlError: `url_not_allowed`.
        """
        if self.courier is None:
            raise AccessError("webhooks_disabled", "this service calls nobody; ask for the job instead")
        self.courier.check(url)

    async def begin(self, job: Job, items: AsyncIterator[BatchItem], hold: ExitStack, store: Store) -> None:
        """Take a job on; it is durable when this returns.

        Args:
            job: As it is to be kept.
            items: Judges its photos as it is asked for them.
            hold: Lets go of their bytes.
            store: Keeps it.

        Raises:
            OverloadedError: There is no room.
            StoreError: The database is away.
        """
        with hold:
            self.check_room()
            # Counted before anything is awaited, so that no two take the last place.
            ready = asyncio.Event()
            task = asyncio.create_task(self._work(job, items, hold.pop_all(), store, ready))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        try:
            await store.jobs.begin(job)
        except BaseException:
            task.cancel()
            raise
        ready.set()

    async def stop(self, patience_s: float) -> None:
        """Let jobs finish for a moment, end the others as interrupted, and tell nobody any more."""
        if self._working:
            _, left = await asyncio.wait(self._working, timeout=patience_s)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)

    async def _work(
        self, job: Job, items: AsyncIterator[BatchItem], hold: ExitStack, store: Store, ready: asyncio.Event
    ) -> None:
        with hold:
            await ready.wait()
            found: list[JobItem] = []
            state: JobState = "interrupted"
            try:
                async for item in items:
                    found.append(kept(item))  # noqa: PERF401 - what was found before an error counts
                state = "done"
            except asyncio.CancelledError:
                _log.warning("job_interrupted", job_id=job.id, judged=len(found), photos=job.photos)
            except Exception as error:  # noqa: BLE001 - nobody waits: told here, and the job must end
                _log.error("job_failed", job_id=job.id, exc_info=error)
        await self._finish(job, found, state, store)

    async def _finish(self, job: Job, found: list[JobItem], state: JobState, store: Store) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + SLACK_S
        while True:
            try:
                await store.jobs.finish(job, found, state)
                break
            except StoreError:
                if loop.time() >= ends:
                    _log.error("job_lost", job_id=job.id)  # its time is over: it counts as interrupted
                    return
            await asyncio.sleep(_STORE_RETRY_S)
        _log.info("job_ended", job_id=job.id, state=state, photos=job.photos, judged=len(found))
        self._ended.set()

    async def _tell_all(self, store: Store, courier: Courier) -> None:
        while True:
            self._ended.clear()
            try:
                due = await store.jobs.take_due(2 * courier.timeout_s + SLACK_S, _AT_ONCE)
                await asyncio.gather(*(self._tell(job, store, courier) for job in due))
            except StoreError:
                due = []  # whoever was taken is due again when the lease is over
            except Exception as error:  # noqa: BLE001 - nobody waits: told here, and the next ones are told
                _log.error("webhooks_failed", exc_info=error)
                due = []
            if not due:
                await self._nap()

    async def _nap(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_S * random.uniform(0.8, 1.2)):  # noqa: S311
                await self._ended.wait()
        except TimeoutError:
            return

    async def _tell(self, job: Job, store: Store, courier: Courier) -> None:
        reply = (await describe(job, store)).model_dump_json(exclude_none=True)
        moment = (job.ended_at or job.created_at).isoformat()
        body = f'{{"type":"predict_job.{job.state}","timestamp":"{moment}","data":{reply}}}'
        outcome = await courier.send(job.callback_url or "", job.id, body)
        wait_s = courier.delay(job.attempts) if outcome == "again" else None
        if wait_s is not None:
            await store.jobs.postpone(job.id, wait_s)
        else:
            await store.jobs.delivered(job.id, ok=outcome == "delivered")
        told = outcome if outcome == "delivered" else "failed" if wait_s is None else "postponed"
        self._metrics.webhook(told)
        _log.info("webhook", job_id=job.id, attempt=job.attempts, outcome=told)
