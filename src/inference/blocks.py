"""Lets Pillow keep the memory of one picture for the next, so that the system need not clear it anew."""

from __future__ import annotations

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
