"""Between the event loop and the detector: a few threads, a bounded queue, and a deadline for each photo.

The event loop never decodes or infers; when all places are taken, the next photo is refused.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from src.utils.errors import DeadlineError, OverloadedError
from src.utils.model_card import ModelCard

if TYPE_CHECKING:
    from src.inference.detection import Detection


class Judge(Protocol):
    """What the service needs of a detector."""

    @property
    def card(self) -> ModelCard:
        """The contract of the loaded model."""
        ...

    def detect(self, photo: bytes, policy: str | None = None) -> Detection:
        """Judge one photo; may take long, may be called from several threads."""
        ...


class Scorer:
    """Runs a detector on a small pool of threads.

    Args:
        detector: Shared by all threads.
        workers: Photos worked on at once.
        queue_size: Photos that may wait beyond these.
        deadline_s: Seconds until a photo must be answered; one that still waits then is never worked on.
    """

    def __init__(self, detector: Judge, *, workers: int, queue_size: int, deadline_s: float) -> None:
        self.detector = detector
        self._capacity = workers + queue_size
        self._deadline_s = deadline_s
        self._pending = 0
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="scorer")

    @property
    def pending(self) -> int:
        """Photos accepted and not finished, whether or not somebody still waits for the answer."""
        return self._pending

    def check_room(self) -> None:
        """Refuse early, before an upload is read.

        Raises:
            OverloadedError: All places are taken.
        """
        if self._pending >= self._capacity:
            raise OverloadedError("too many photos are waiting; try again in a moment")

    async def score(self, photo: bytes, policy: str | None = None) -> Detection:
        """Judge one photo off the event loop.

        Raises:
            OverloadedError: All places are taken.
            DeadlineError: The answer was not there in time.
            ImageError: The photo cannot be used.
            PolicyError: The model has no such policy.
        """
        with self._lock:
            self.check_room()
            self._pending += 1
        future = self._pool.submit(self.detector.detect, photo, policy)
        # The place is free when the work has ended, not when the client has given up on it.
        future.add_done_callback(self._release)
        try:
            async with asyncio.timeout(self._deadline_s):
                # Cancelling the wrapped future cancels work that has not begun.
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise DeadlineError(f"no answer within {self._deadline_s:g} s") from error

    def close(self) -> None:
        """Drop what waits and finish what runs; blocks until then."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _release(self, _: Future[Detection]) -> None:
        with self._lock:
            self._pending -= 1
