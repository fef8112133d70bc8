"""Where freed memory goes: what the next photo needs is kept, within bounds; all else is returned."""

from __future__ import annotations

import ctypes
import traceback
from typing import Any

from PIL import Image

_BLOCK_BYTES = 2 * 2**20
_KEPT = 8
_MANY = 24
"""Blocks given back since the last photo; a usual upload frees fewer."""


class Blocks:
    """Lets Pillow keep up to 16 MB of what it frees, and sees to it that the rest goes back to the system.

    A thread that decodes asks for some 20 MB for a usual upload. Where they went back to the system after
    each photo, a quarter of the thread's time went into fetching them again, page by page. But glibc learns
    from the largest pieces that were freed to keep such pieces: after one huge photo, hundreds of megabytes
    would stay.
    """

    def __init__(self) -> None:
        # Documented ("Block allocator"), but without types.
        self._core: Any = getattr(Image, "core")  # noqa: B009
        self._core.set_block_size(_BLOCK_BYTES)
        self._core.set_blocks_max(_KEPT)
        self._freed = self._freed_blocks()

    def tidy(self) -> bool:
        """Give back what a huge photo has left; call it after each, from any thread.

        Returns:
            Whether there was much to give back.
        """
        before, self._freed = self._freed, self._freed_blocks()
        return self._freed - before >= _MANY and give_back()

    def _freed_blocks(self) -> int:
        return int(self._core.get_stats()["freed_blocks"])


def give_back() -> bool:
    """Return to the system what lies free between pieces in use, as after a model was loaded or replaced.

    Returns:
        Whether the C library knows how (glibc does; others have no need of it or no way).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return False
    trim(0)
    return True


def let_go(error: BaseException) -> None:
    """Empty the frames that an error came through: a refused photo's pixels would live as long as its error.

    An error lies in circles (it is in a future, which is in a frame, which is in the error), so that could be
    until the interpreter next looks for them.
    """
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__
