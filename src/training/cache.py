"""Photos decoded once: upright RGB pixels with a capped long side, one memory-mapped array a photo.

Decoding a full-size original costs more than a training step; the arrays make it a matter of the first epoch
only. The folder can be deleted at any time and is filled again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray
from rich.progress import track

from src.data.layout import locate
from src.data.manifest import PhotoRecord
from src.imaging.decode import ImageLimits, decode
from src.imaging.views import limit_side
from src.utils.errors import DataError, ImageError

log = structlog.get_logger(__name__)


def pixels_path(cache: Path, photo_id: str) -> Path:
    """Where the decoded pixels of a photo lie."""
    return cache / f"{photo_id}.npy"


def load_pixels(cache: Path, photo_id: str) -> NDArray[np.uint8]:
    """The decoded pixels of a photo, uint8 [H, W, 3], mapped and not yet read."""
    pixels: NDArray[np.uint8] = np.load(pixels_path(cache, photo_id), mmap_mode="r")
    return pixels


def fill_cache(
    records: Sequence[PhotoRecord], raw: Path, cache: Path, max_side: int, workers: int = 2
) -> list[PhotoRecord]:
    """Decode what is not in the cache yet and return the records whose pixels are there.

    Raises:
        DataError: no photo at all could be read.
    """
    folder = cache_folder(cache, max_side)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [record for record in records if not pixels_path(folder, record.photo_id).exists()]
    if missing:
        with ProcessPoolExecutor(workers) as pool:
            jobs = ((locate(r, raw), pixels_path(folder, r.photo_id), max_side) for r in missing)
            _drain(pool.map(_decode_one, *zip(*jobs, strict=True), chunksize=16), len(missing))
    usable = [record for record in records if pixels_path(folder, record.photo_id).exists()]
    if records and not usable:
        raise DataError(f"no photo of {len(records)} is readable under {raw}; run `make data` first")
    if len(usable) < len(records):
        log.warning("photos_missing", wanted=len(records), usable=len(usable))
    return usable


def cache_folder(cache: Path, max_side: int) -> Path:
    """Pixels with different caps do not mix."""
    return cache / f"side{max_side}"


def _drain(results: Iterable[None], total: int) -> None:
    for _ in track(results, description="decoding photos", total=total):
        pass


def _decode_one(source: Path | None, target: Path, max_side: int) -> None:
    if source is None:
        return
    try:
        image = decode(source.read_bytes(), ImageLimits(max_pixels=170_000_000), draft_side=max_side)
    except ImageError as error:
        log.warning("photo_unreadable", photo=source.stem, code=error.code)
        return
    partial = target.with_suffix(f".part{os.getpid()}")
    with partial.open("wb") as file:
        np.save(file, np.asarray(limit_side(image, max_side)))
    partial.replace(target)
