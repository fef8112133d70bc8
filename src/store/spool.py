"""Records that wait on disk while the database is away: one flushed file each, within a bound.

One file a record makes everything plain: a torn write is a name that was never given, replay may be repeated,
several processes may share the folder, and a deletion by id removes one file.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import RLock

_BLOCK = 4096
"""A file takes at least this much of a disk, however small it is."""
_ABANDONED_S = 3600
_COUNT_S = 5.0
"""How long a count holds: what other processes put into a shared folder is not known for longer than this."""


class Spool:
    """A folder of records.

    Args:
        folder: Made if it is not there, closed to other users.
        max_bytes: Most that it may take of the disk, in whole blocks; what is over it is refused.

    Raises:
        OSError: The folder cannot be made or read.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._rejected = folder / "rejected"
        self._max_bytes = max_bytes
        self._lock = RLock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for torn in folder.glob("*.part"):
            # Another process may be writing a young one.
            if time.time() - torn.stat().st_mtime > _ABANDONED_S:
                torn.unlink(missing_ok=True)
        self.records = self.bytes = 0
        self._counted = 0.0
        self.refresh()

    def put(self, key: str, payload: bytes) -> bool:
        """Keep a record; when this returns True it survives a crash and a power cut.

        Returns:
            False: The bound is reached and nothing was kept.

        Raises:
            OSError: The disk is full or broken.
        """
        size = _on_disk(len(payload))
        with self._lock:
            # Other processes may have put or replayed meanwhile.
            if self.bytes + size > self._max_bytes or time.monotonic() - self._counted > _COUNT_S:
                self.refresh()
            if self.bytes + size > self._max_bytes:
                return False
            self._write(key, payload)
            self.records += 1
            self.bytes += size
        return True

    def get(self, key: str) -> bytes | None:
        """Return a record that waits."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, key: str) -> bool:
        """Forget a record; returns whether it was there."""
        with self._lock:
            path = self._path(key)
            try:
                size = path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                return False
            self.records = max(0, self.records - 1)
            self.bytes = max(0, self.bytes - _on_disk(size))
        return True

    def oldest(self, limit: int) -> list[str]:
        """Return the keys that have waited longest; ids sort by time."""
        return sorted(path.stem for path in self._folder.glob("*.json"))[:limit]

    def reject(self, key: str) -> None:
        """Put a record aside that can never be replayed, for a person to look at."""
        self._rejected.mkdir(exist_ok=True)
        payload = self.get(key)
        if payload is not None:
            self._path(key).replace(self._rejected / f"{key}.json")
            self.refresh()

    def refresh(self) -> None:
        """Count anew what lies in the folder."""
        records = used = 0
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json"):
                    try:
                        used += _on_disk(entry.stat().st_size)
                    except FileNotFoundError:  # replayed by another process since it was listed
                        continue
                    records += 1
        self.records, self.bytes, self._counted = records, used, time.monotonic()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"

    def _write(self, key: str, payload: bytes) -> None:
        part = self._folder / f"{key}.part"
        try:
            with part.open("wb") as file:
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path(key))
        except OSError:
            part.unlink(missing_ok=True)
            raise
        flush_folder(self._folder)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system has a way to."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _on_disk(size: int) -> int:
    return max(1, -(-size // _BLOCK)) * _BLOCK
