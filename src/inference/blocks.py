"""Where freed memory goes: Pillow keeps that of one picture for the next, a model's goes back at once."""

from __future__ import annotations

import ctypes
from typing import Any

from PIL import Image

_BLOCK_BYTES = 2 * 2**20
_BLOCKS = 8


def keep_blocks() -> None:
    """Keep up to 16 MB of what Pillow frees.

    A thread that decodes asks for some 20 MB for a usual upload. Where they went back to the system after
    each photo, a quarter of the thread's time went into fetching them again, page by page. What does not fit
    goes back as before.
    """
    core: Any = getattr(Image, "core")  # noqa: B009 - documented ("Block allocator"), but without types
    core.set_block_size(_BLOCK_BYTES)
    core.set_blocks_max(_BLOCKS)


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
