"""Photos decoded once: upright RGB pixels with a capped long side, one memory-mapped array a photo.

Decoding a full-size original costs more than a training step; the arrays make it a matter of the first epoch
only. The folder can be deleted at any time and is filled again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from src.data.layout import locate
from src.data.manifest import PhotoRecord
from src.imaging.decode import decode
from src.imaging.views import limit_side
from src.utils.errors import DataError, ImageError

log = structlog.get_logger(__name__)

VERSION = 1
"""Raised when decoding or shrinking changes its pixels: older arrays are then not used any more."""


class CachedPhoto(NamedTuple):
    """A photo whose pixels are in the cache."""

    record: PhotoRecord
    path: Path

    def pixels(self) -> NDArray[np.uint8]:
        """The decoded pixels, uint8 [H, W, 3], mapped and not yet read."""
        pixels: NDArray[np.uint8] = np.load(self.path, mmap_mode="r")
        return pixels

    def image(self) -> Image.Image:
        """The decoded picture."""
        return Image.fromarray(np.array(self.pixels()))


def fill_cache(
    records: Sequence[PhotoRecord], raw: Path, cache: Path, max_side: int, workers: int = 2
) -> list[CachedPhoto]:
    """Decode what is not in the cache yet and return the photos whose pixels are there.

    Raises:
        DataError: no photo at all could be read.
    """
    folder = cache / f"side{max_side}-v{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    sources = [(record, locate(record, raw)) for record in records]
    # Original and stored form have names of their own: an original that arrives later is decoded anew.
    found = [
        (CachedPhoto(record, folder / f"{record.photo_id}-{source.parent.name}.npy"), source)
        for record, source in sources
        if source is not None
    ]
    missing = [(source, photo.path) for photo, source in found if not photo.path.exists()]
    if missing:
        with ProcessPoolExecutor(workers) as pool:
            done = pool.map(_decode_one, *zip(*missing, strict=True), [max_side] * len(missing), chunksize=16)
            for _ in track(done, description="decoding photos", total=len(missing)):
                pass
    usable = [photo for photo, _ in found if photo.path.exists()]
    if records and not usable:
        raise DataError(f"no photo of {len(records)} is readable under {raw}; run `make data` first")
    if len(usable) < len(records):
        log.warning("photos_missing", wanted=len(records), usable=len(usable))
    return usable


def _decode_one(source: Path, target: Path, max_side: int) -> None:
    try:
        image = decode(source.read_bytes(), draft_side=max_side)
    except ImageError as error:
        log.warning("photo_unreadable", photo=source.stem, code=error.code)
        return
    partial = target.with_suffix(f".part{os.getpid()}")
    with partial.open("wb") as file:
        np.save(file, np.asarray(limit_side(image, max_side)))
    partial.replace(target)
