"""Overlays off the event loop: one thread of its own, a bounded queue, a deadline.

Painting decodes the photo a second time; so it has little room of its own and takes none from scoring.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from src.utils.errors import DeadlineError, OverloadedError
from src.utils.settings import Settings


class Painter:
    """Draws overlays for many callers.

    Args:
        settings: Its limits on photos and its deadline.
        places: Photos that may wait or be painted at once.
    """

    def __init__(self, settings: Settings, places: int = 8) -> None:
        self._settings = settings
        self._places = places
        self._pending = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="painter")

    def check_room(self) -> None:
        """Refuse early, before an upload is read.

        Raises:
            OverloadedError: All places are taken.
        """
        if self._pending >= self._places:
            raise OverloadedError("too many photos are waiting to be explained; try again in a moment")

    async def paint(self, photo: bytes, heatmap: Sequence[Sequence[float]]) -> bytes:
        """Draw the overlay of one photo; called from one event loop.

        Args:
            photo: The file.
            heatmap: Of this photo.

        Returns:
            A PNG.

        Raises:
            OverloadedError: All places are taken.
            DeadlineError: It was not done in time.
            ImageError: The photo cannot be used.
        """
        self.check_room()
        self._pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._paint, photo, heatmap)
        # The place is free when the work has ended or was cancelled before it began.
        future.add_done_callback(self._release)
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                return await future
        except TimeoutError as error:
            raise DeadlineError(f"no overlay within {self._settings.deadline_s:g} s") from error

    def close(self) -> None:
        """Finish what runs and drop what waits; blocks until then."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _paint(self, photo: bytes, heatmap: Sequence[Sequence[float]]) -> bytes:
        # NumPy and Pillow load in this thread where they have not yet, not on the event loop.
        from src.imaging.decode import ImageLimits  # noqa: PLC0415
        from src.inference.overlay import overlay_png  # noqa: PLC0415

        names = ImageLimits.model_fields
        return overlay_png(photo, heatmap, ImageLimits(**self._settings.model_dump(include=set(names))))

    def _release(self, _: asyncio.Future[bytes]) -> None:
        self._pending -= 1
