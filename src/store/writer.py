"""One thread that does all writing: it takes whatever waits, commits once, and only then answers.

The disk's flush is what a commit costs, so those who arrive meanwhile share the next; none waits for company.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from src.utils.errors import DetectorError, StoreError

Result = TypeVar("Result")
Step = Callable[[Connection], Result]

_MAX_BATCH = 256
_CROSSED = {"40001", "40P01"}
"""PostgreSQL's codes of a serialization failure and a deadlock."""
_log = structlog.get_logger()


class _Job(Generic[Result]):
    """A step and its answer. It may be run again after a failed commit, so it keeps nothing of its own."""

    def __init__(self, step: Step[Result]) -> None:
        self.step = step
        self.future: Future[Result] = Future()

    def run(self, connection: Connection) -> Callable[[], None]:
        """Run the step; the outcome is told by the returned call, after the commit."""
        try:
            result = self.step(connection)
        except DetectorError as error:
            # A refusal, raised before anything was written: the others' writes are untouched by it.
            reason = error
            return lambda: self.future.set_exception(reason)
        return lambda: self.future.set_result(result)


class Writer:
    """Owns the write side of a database, and knows whether it is up.

    Args:
        engine: Its pool is shared with readers.
        prepare: Called after each (re)connection before anything is written: migrations.
        spare_work: Called between batches, in the writer's thread; returns whether it has more to do at once.
        retry_s: Seconds between attempts to reach a database that is away.
        stall_s: A batch that takes longer counts as the database being away.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        prepare: Callable[[], None],
        spare_work: Callable[[], bool],
        retry_s: float,
        stall_s: float,
    ) -> None:
        self._engine = engine
        self._prepare = prepare
        self._spare_work = spare_work
        self._retry_s = retry_s
        self._stall_s = stall_s
        self._queue: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._up = False
        self._busy_since: float | None = None
        self._first_try = threading.Event()
        self._closing = False
        self._lock = threading.Lock()
        self.batches = self.written = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self, wait_s: float) -> None:
        """Start the thread and give its first attempt to connect a moment."""
        self._thread.start()
        self._first_try.wait(wait_s)

    @property
    def up(self) -> bool:
        """Whether a write sent now has a fair chance: connected, and not stuck in the batch before."""
        since = self._busy_since
        return self._up and (since is None or monotonic() - since < self._stall_s)

    @property
    def waiting(self) -> int:
        """Jobs that wait for the next commit."""
        return self._queue.qsize()

    def submit(self, step: Step[Result]) -> Future[Result]:
        """Have a step run in the next transaction; the future is resolved after its commit.

        The future raises `StoreError` when the database is away, or what the step raised.
        """
        job = _Job(step)
        with self._lock:
            if self.up and not self._closing:
                self._queue.put(job)
                return job.future
        job.future.set_exception(_away())
        return job.future

    def close(self) -> None:
        """Write what waits, then stop; blocks until then."""
        with self._lock:
            self._closing = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = False
        while not (self._closing and self._queue.empty()):
            if not self._up and not self._closing:
                self._guarded(self._connect)
                self._first_try.set()
            batch = self._take(0.0 if more else self._retry_s)
            if batch:
                self._write(batch)
            # Spare work takes turns with batches: under steady load the spool must still drain.
            more = self._up and self._guarded(self._spare_work)

    def _take(self, wait_s: float) -> list[_Job[Any]]:
        batch: list[_Job[Any]] = []
        try:
            item = self._queue.get(timeout=wait_s) if wait_s else self._queue.get_nowait()
            # None only wakes the thread.
            while item is not None:
                # A waiter that has given up is not worked for.
                if item.future.set_running_or_notify_cancel():
                    batch.append(item)
                if len(batch) == _MAX_BATCH:
                    break
                item = self._queue.get_nowait()
        except queue.Empty:
            pass
        return batch

    def _write(self, batch: list[_Job[Any]]) -> None:
        self._busy_since = monotonic()
        try:
            answers = self._commit(batch)
        except Exception as error:  # noqa: BLE001 - raised again where the answer is awaited
            if is_outage(error):
                self._down(error)
                _refuse(batch)
            elif len(batch) == 1:
                batch[0].future.set_exception(error)
            else:
                # One of them is at fault; the others must not suffer for it.
                for job in batch:
                    self._write([job])
        else:
            for answer in answers:
                answer()
        finally:
            self._busy_since = None

    def _commit(self, batch: list[_Job[Any]]) -> list[Callable[[], None]]:
        if not self._up:
            raise _away()
        with self._engine.begin() as connection:
            answers = [job.run(connection) for job in batch]
        self.batches += 1
        self.written += len(batch)
        return answers

    def _connect(self) -> bool:
        self._prepare()
        self._up = True
        _log.info("store_up", backend=self._engine.dialect.name)
        return True

    def _guarded(self, work: Callable[[], bool]) -> bool:
        self._busy_since = monotonic()
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - told, and the work is tried again
            if not is_outage(error):
                # Nobody waits for this work: a bug in it must be told here, and the thread must outlive it.
                _log.error("store_bug", exc_info=error)
            self._down(error)
            return False
        finally:
            self._busy_since = None

    def _down(self, error: Exception) -> None:
        with self._lock:
            was_up, self._up = self._up, False
        if was_up or not self._first_try.is_set():
            # The driver's message may quote values; its kind says enough.
            reason = error.message if isinstance(error, DetectorError) else None
            _log.error("store_down", kind=type(error).__name__, reason=reason)
        self._engine.dispose()
        # Nothing is added while it is down, so this empties the queue.
        while batch := self._take(0.0):
            _refuse(batch)


def is_outage(error: Exception) -> bool:
    """Whether an error says that the database is away or cannot write; otherwise the data is at fault."""
    if isinstance(error, DBAPIError):
        # Two processes whose batches met crosswise: run one by one, the steps cannot meet so again.
        crossed = getattr(error.orig, "sqlstate", None) in _CROSSED
        return not (crossed or isinstance(error, DataError | IntegrityError))
    return isinstance(error, StoreError | PoolTimeout | OSError)


def _refuse(batch: list[_Job[Any]]) -> None:
    for job in batch:
        job.future.set_exception(_away())


def _away() -> StoreError:
    return StoreError("the store is away; try again in a moment")
