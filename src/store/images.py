"""Photos kept for review, where that is wanted: files named by prediction, bounded in bytes and days."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

_SHARD = 6
"""Hex digits of the id that name a folder: they change every 2**24 ms, 4.7 hours."""
_SHARD_NAME = re.compile(f"[0-9a-f]{{{_SHARD}}}")
_SHARD_MS = 2 ** (4 * (12 - _SHARD))


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

    def remove(self, prediction_id: str) -> None:
        """Forget a photo, if it is there."""
        path = self._path(prediction_id)
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return
        with self._lock:
            self._bytes -= size

    def expire(self, moment: datetime) -> None:
        """Remove what is older than its days; ids tell the time, so copying the folder changes nothing."""
        cutoff = int((moment - timedelta(days=self._days)).timestamp() * 1000)
        for shard in self._folder.iterdir():
            if not _SHARD_NAME.fullmatch(shard.name):
                continue  # not ours: a mount has its `lost+found`
            if (int(shard.name, 16) + 1) * _SHARD_MS <= cutoff:
                shutil.rmtree(shard)
        with self._lock:
            self._bytes = self._count()

    def _path(self, prediction_id: str) -> Path:
        return self._folder / prediction_id[:_SHARD] / prediction_id

    def _count(self) -> int:
        total = 0
        for path in self._folder.glob("*/*"):
            with suppress(FileNotFoundError):
                total += path.stat().st_size
        return total
