"""Between the event loop and the detector: a decode pool, one inference worker, a bounded queue, deadlines.

The event loop never decodes or infers. The worker takes whatever is ready, up to a maximum, and never waits
for more: an idle service answers at once, a busy one shares the runtime's calls. When all places are taken,
the next photo is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, groupby
from queue import Empty, Queue
from threading import Lock, Thread
from time import perf_counter
from typing import TYPE_CHECKING

import structlog

from src.inference.judge import Job, Judge, Observer, Witness
from src.utils.errors import DeadlineError, NotReadyError, OverloadedError

if TYPE_CHECKING:
    from src.inference.detection import Detection

__all__ = ["Job", "Judge", "Observer", "Scorer", "Witness"]
_log = structlog.get_logger()


class Scorer:
    """Runs a detector for many callers.

    Args:
        detector: May be replaced while work goes on; a photo is finished by the one that began it.
        workers: Photos decoded at once.
        queue_size: Photos that may wait beyond these.
        deadline_s: Seconds until a photo must be answered; one that still waits then is never worked on.
        max_batch: Most photos in one inference.
        observer: Hears of batches and stages.
        on_death: Called from the worker's thread when it can work no more; photos are refused from then on.
    """

    def __init__(
        self,
        detector: Judge,
        *,
        workers: int,
        queue_size: int,
        deadline_s: float,
        max_batch: int = 4,
        observer: Observer | None = None,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self.detector = detector
        self._capacity = workers + queue_size
        self.deadline_s = deadline_s
        self._max_batch = max_batch
        self._observer = observer
        self.witness: Witness | None = None
        self._on_death = on_death
        self._pending = 0
        self._closed = self._dead = False
        self._lock = Lock()
        # Prepared photos are large: a full queue holds the decoders back.
        self._ready: Queue[Job | None] = Queue(max_batch)
        self._decoders = ThreadPoolExecutor(workers, thread_name_prefix="decoder")
        self._worker = Thread(target=self._run, name="inference", daemon=True)
        self._worker.start()

    @property
    def pending(self) -> int:
        """Photos accepted and not finished, whether or not somebody still waits for the answer."""
        return self._pending

    @property
    def alive(self) -> bool:
        """Whether the worker can still judge."""
        return self._worker.is_alive() and not self._dead

    def check_room(self) -> None:
        """Refuse early, before an upload is read.

        Raises:
            OverloadedError: All places are taken.
        """
        if self._pending >= self._capacity:
            raise OverloadedError("too many photos are waiting; try again in a moment")

    async def score(self, photo: bytes, policy: str | None = None) -> Detection:
        """Judge one photo off the event loop: `accept`, then `finish`.

        Raises:
            OverloadedError: All places are taken.
            DeadlineError: The answer was not there in time.
            ImageError: The photo cannot be used.
            PolicyError: The model has no such policy.
        """
        return await self.finish(self.accept(photo, policy))

    def accept(self, photo: bytes, policy: str | None = None, detector: Judge | None = None) -> Job:
        """Give a photo a place and start its work; the caller must `finish` the job.

        Args:
            photo: The file.
            policy: Of the detector's card.
            detector: The one that the caller began with; the one in service by default.

        Raises:
            OverloadedError: All places are taken.
            NotReadyError: The scorer is closed, or its worker has died.
            PolicyError: The model has no such policy.
        """
        now = perf_counter()
        return self.admit(Job(detector or self.detector, photo, policy, now, now + self.deadline_s))

    def admit(self, job: Job) -> Job:
        """Give a job of the caller's own a place; as `accept`, which makes one of a photo."""
        job.detector.card.policy(job.policy)
        # A running future cannot be cancelled: whether work is dropped is decided by the job's state alone.
        job.future.set_running_or_notify_cancel()
        with self._lock:
            if self._closed:
                raise NotReadyError("the service is stopping")
            if self._dead:
                raise _dead()
            self.check_room()
            self._pending += 1
            self._decoders.submit(self._prepare, job)
        return job

    async def finish(self, job: Job) -> Detection:
        """Wait for an accepted photo's verdict; a caller that is cancelled gives the work up.

        Raises:
            DeadlineError: The answer was not there in time.
            ImageError: The photo cannot be used.
        """
        try:
            async with asyncio.timeout(max(0.0, job.expires - perf_counter())):
                return await asyncio.wrap_future(job.future)
        except TimeoutError as error:
            raise self._too_late() from error
        finally:
            self._give_up(job)

    def close(self) -> None:
        """Take no more photos and finish those that were accepted; blocks until then."""
        with self._lock:
            self._closed = True
        self._decoders.shutdown(wait=True)
        self._ready.put(None)
        self._worker.join()

    def _prepare(self, job: Job) -> None:
        """Decode, in a thread of the pool."""
        if not self._take(job):
            return
        try:
            job.prepared = job.prepare()
        except BaseException as error:  # noqa: BLE001 - raised again for the caller that waits
            self._resolve(job, error)
            return
        if self.witness is None:
            job.photo = b""  # the views are enough from here on
        if self._park(job):
            self._ready.put(job)

    def _run(self) -> None:
        """Judge until `close` puts a None after the last job; if that goes wrong, refuse until then."""
        batch: list[Job] = []
        try:
            for first in iter(self._ready.get, None):
                batch = [first, *self._whatever_waits()]
                self._infer(batch)
        except BaseException as error:  # noqa: BLE001 - told, and known to readiness from now on
            self._dead = True
            self._on_death()
            _log.critical("inference_worker_died", exc_info=error)
            # Decoders and `close` must not wait forever at a full queue.
            for job in chain(batch, iter(self._ready.get, None)):
                self._resolve(job, _dead())

    def _infer(self, waiting: list[Job]) -> None:
        """Judge what is still wanted; nothing that goes wrong here may end the only worker."""
        try:
            batch = [job for job in waiting if self._take(job)]
            for _, jobs in groupby(batch, key=lambda job: id(job.detector)):
                self._judge(list(jobs))
        except BaseException as error:  # noqa: BLE001 - raised again for the callers that wait
            _log.critical("inference_bug", exc_info=error)
            for job in waiting:
                self._resolve(job, error)

    def _whatever_waits(self) -> list[Job]:
        found: list[Job] = []
        while len(found) < self._max_batch - 1:
            try:
                job = self._ready.get_nowait()
            except Empty:
                break
            if job is None:
                self._ready.put(None)  # for the loop to see; there is room, it has just been taken out
                break
            found.append(job)
        return found

    def _judge(self, jobs: list[Job]) -> None:
        start = perf_counter()
        items = [job.prepared for job in jobs if job.prepared is not None]
        try:
            verdicts = jobs[0].detector.judge(items, [job.policy for job in jobs])
            answers = list(zip(jobs, verdicts, strict=True))
        except BaseException as error:  # noqa: BLE001 - raised again for the caller that waits
            if len(jobs) == 1:
                self._resolve(jobs[0], error)
                return
            for job in jobs:  # what is wrong with one must not be the others' fault
                self._judge([job])
            return
        self._aside(lambda: self._report(jobs, start))
        for job, verdict in answers:
            photo, prepared, variant, witness = job.photo, job.prepared, job.variant, self.witness
            self._resolve(job, verdict)
            if witness is not None and prepared is not None and variant is None:
                self._aside(partial(witness, job.detector, photo, prepared, verdict))

    def _aside(self, call: Callable[[], None]) -> None:
        """Tell others; their errors are logged and cost no photo its answer."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - told here, nobody else waits for it
            _log.error("observer_failed", exc_info=error)

    def _report(self, jobs: list[Job], start: float) -> None:
        if self._observer is None:
            return
        self._observer.batch(len(jobs))
        inference_s = (perf_counter() - start) / len(jobs)
        for job in jobs:
            if job.prepared is None:
                continue
            decode_s, views_s = job.prepared.decode_ms / 1000, job.prepared.views_ms / 1000
            self._observer.stage("decode", decode_s)
            self._observer.stage("views", views_s)
            self._observer.stage("inference", inference_s)
            self._observer.stage("queue", max(0.0, start - job.accepted - decode_s - views_s))

    def _take(self, job: Job) -> bool:
        """Begin a stage, unless nobody waits any more or it is too late."""
        with self._lock:
            if job.state == "done":
                return False
            job.state = "working"
        if perf_counter() >= job.expires:
            self._resolve(job, self._too_late())
            return False
        return True

    def _park(self, job: Job) -> bool:
        """Let a job wait for its next stage, unless it was given up during the last one."""
        with self._lock:
            if job.given_up:
                self._release(job)
                return False
            job.state = "waiting"
            return True

    def _give_up(self, job: Job) -> None:
        """Free the place of work that has not begun; work in progress frees it when it ends."""
        with self._lock:
            job.given_up = True
            if job.state == "waiting":
                self._release(job)

    def _resolve(self, job: Job, outcome: Detection | BaseException) -> None:
        with self._lock:
            self._release(job)
        if job.future.done():
            return
        if not isinstance(outcome, BaseException):
            job.future.set_result(outcome)
        elif isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:  # what ends a thread must not end the event loop of the one who waits
            job.future.set_exception(RuntimeError(f"ended by {type(outcome).__name__}"))

    def _release(self, job: Job) -> None:
        if job.state != "done":
            job.state = "done"
            job.photo, job.prepared, job.variant = b"", None, None
            self._pending -= 1

    def _too_late(self) -> DeadlineError:
        return DeadlineError(f"no answer within {self.deadline_s:g} s")


def _dead() -> NotReadyError:
    return NotReadyError("the inference worker has died")
