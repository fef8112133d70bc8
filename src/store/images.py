"""Photos kept for review, where that is wanted: files named by prediction, bounded in bytes and days."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Protocol

_SHARD = 6
"""Hex digits of the id that name a folder: they change every 2**24 ms, 4.7 hours."""
_SHARD_NAME = re.compile(f"[0-9a-f]{{{_SHARD}}}")
_SHARD_MS = 2 ** (4 * (12 - _SHARD))


class Images(Protocol):
    """A place for photos; its calls block, and raise `OSError` where it fails."""

    def put(self, prediction_id: str, photo: bytes) -> bool:
        """Keep a photo; false where the bound on all is reached."""
        ...

    def get(self, prediction_id: str) -> bytes | None:
        """Return a photo's bytes as they came, unless it was not kept or has expired."""
        ...

    def remove(self, prediction_id: str) -> bool:
        """Forget a photo; returns whether it was there."""
        ...

    def expire(self, moment: datetime) -> None:
        """Remove what is older than its days, now or soon."""
        ...


def shard_of(prediction_id: str) -> str:
    """Name the folder of a photo: the front of its id, which tells the time."""
    return prediction_id[:_SHARD]


def shards_before(names: Iterable[str], moment: datetime) -> list[str]:
    """Pick the folders that hold nothing from this moment on; what is not such a folder is not ours."""
    cutoff = int(moment.timestamp() * 1000)
    return [
        name for name in names if _SHARD_NAME.fullmatch(name) and (int(name, 16) + 1) * _SHARD_MS <= cutoff
    ]


class ImageFolder:
    """Keeps photos as they came; nothing here reads them as images.

    Args:
        folder: Made if it is not there, closed to other users.
        days: How long a photo is kept.
        max_bytes: Most that all photos together may take; further ones are not kept.

    Raises:
        OSError: The folder cannot be made or read.
    """

    def __init__(self, folder: Path, *, days: float, max_bytes: int) -> None:
        self._folder = folder
        self._days = days
        self._max_bytes = max_bytes
        self._lock = Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._bytes = self._count()

    def put(self, prediction_id: str, photo: bytes) -> bool:
        """Keep a photo.

        Returns:
            False: The bound is reached; it was not kept.

        Raises:
            OSError: The disk is full or broken; nothing is left behind.
        """
        with self._lock:
            if self._bytes + len(photo) > self._max_bytes:
                return False
            self._bytes += len(photo)
        path = self._path(prediction_id)
        part = path.with_suffix(".part")
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(photo)
            part.replace(path)
        except OSError:
            with self._lock:
                self._bytes -= len(photo)
            with suppress(OSError):
                part.unlink()
            raise
        return True

    def get(self, prediction_id: str) -> bytes | None:
        """Return a photo's bytes as they came, unless it was not kept or has expired."""
        try:
            return self._path(prediction_id).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, prediction_id: str) -> bool:
        """Forget a photo; returns whether it was there."""
        path = self._path(prediction_id)
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return False
        with self._lock:
            self._bytes -= size
        return True

    def expire(self, moment: datetime) -> None:
        """Remove what is older than its days; ids tell the time, so copying the folder changes nothing."""
        # What is not ours stays: a mount has its `lost+found`.
        names = [path.name for path in self._folder.iterdir()]
        for shard in shards_before(names, moment - timedelta(days=self._days)):
            shutil.rmtree(self._folder / shard)
        with self._lock:
            self._bytes = self._count()

    def _path(self, prediction_id: str) -> Path:
        return self._folder / shard_of(prediction_id) / prediction_id

    def _count(self) -> int:
        total = 0
        for path in self._folder.glob("*/*"):
            with suppress(FileNotFoundError):
                total += path.stat().st_size
        return total
