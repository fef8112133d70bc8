"""Kept photos for the event loop: awaitable, on threads of their own, and never waited for too long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from src.store.images import Images

Result = TypeVar("Result")

_THREADS = 4
_MOST_WAITING = 16
_READ_S = 20.0


class ImageDesk:
    """Takes photos in and hands them out. A place that is slow or away costs the photo, never the reply.

    Args:
        images: Where they are.
        put_timeout_s: Longest wait until a photo is kept.
    """

    def __init__(self, images: Images, *, put_timeout_s: float) -> None:
        self._images = images
        self._put_timeout_s = put_timeout_s
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="store-photos")
        self._lock = threading.Lock()
        self._waiting = 0

    async def put(self, prediction_id: str, photo: bytes) -> bool:
        """Keep a photo.

        Returns:
            False: The bound on all photos is reached; it was not kept.

        Raises:
            OSError: It could not be kept, or not in time; what comes too late is removed again.
        """
        given_up = threading.Event()

        def put() -> bool:
            try:
                if given_up.is_set():
                    return False
                kept = self._images.put(prediction_id, photo)
                if kept and given_up.is_set():
                    self._images.remove(prediction_id)
                return kept
            finally:
                with self._lock:
                    self._waiting -= 1

        with self._lock:
            if self._waiting >= _MOST_WAITING:  # each holds its bytes
                raise TimeoutError("too many photos wait to be kept")
            self._waiting += 1
        try:
            # Shielded: the work itself must run, if only to count itself out.
            return await self._within(self._put_timeout_s, put)
        except (TimeoutError, asyncio.CancelledError):
            given_up.set()
            raise

    async def get(self, prediction_id: str) -> bytes | None:
        """Return a photo as it came, where it was kept and has not expired.

        Raises:
            OSError: It cannot be read now.
        """
        return await self._within(_READ_S, lambda: self._images.get(prediction_id))

    async def remove(self, prediction_id: str) -> bool:
        """Forget a photo; returns whether it was there.

        Raises:
            OSError: It cannot be removed now.
        """
        return await self._within(_READ_S, lambda: self._images.remove(prediction_id))

    def close(self) -> None:
        """Finish what runs; blocks until then."""
        self._pool.shutdown()

    async def _within(self, seconds: float, work: Callable[[], Result]) -> Result:
        async with asyncio.timeout(seconds):
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._pool, work))
