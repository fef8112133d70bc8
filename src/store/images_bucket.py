"""Photos kept for review in a bucket (S3, Google Cloud Storage, whatever fsspec speaks), as in a folder.

A bucket may be slow or away: what counts and expires runs on a thread of its own, and every failure, of
whatever kind a bucket's library raises, becomes an `OSError`, as of a disk.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from src.store.images import ImageFolder, Images, shard_of, shards_before
from src.utils.errors import ConfigError

_log = structlog.get_logger()


def open_images(place: str | Path, *, days: float, max_bytes: int) -> Images:
    """Open the folder or the bucket that a setting names.

    Args:
        place: A folder, `file:///folder`, or a bucket such as `s3://name/prefix` or `gs://name/prefix`.
        days: How long a photo is kept.
        max_bytes: Most that all photos together may take.

    Raises:
        ConfigError: The kind of bucket is unknown, or what speaks to it is not installed.
        OSError: The folder cannot be made or read.
    """
    if isinstance(place, Path) or "://" not in place:
        return ImageFolder(Path(place), days=days, max_bytes=max_bytes)
    address = urlsplit(place)
    if address.scheme == "file":
        return ImageFolder(Path(unquote(address.path)), days=days, max_bytes=max_bytes)
    return ImageBucket(place, days=days, max_bytes=max_bytes)


class ImageBucket:
    """Keeps photos as they came, as objects named by prediction.

    Args:
        uri: As `open_images` takes it. Credentials and endpoints are the library's own affair: environment,
            profile, or `FSSPEC_S3_ENDPOINT_URL` and its like.
        days: How long a photo is kept.
        max_bytes: Most that all photos together may take; further ones are not kept. Where several processes
            share a bucket each counts what the others keep only at its next round.

    Raises:
        ConfigError: As for `open_images`.
    """

    def __init__(self, uri: str, *, days: float, max_bytes: int) -> None:
        self._fs, self._root = _file_system(uri)
        self._days = days
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._bytes = 0
        self._sweeping = threading.Lock()
        self._begin_sweep(None)

    def put(self, prediction_id: str, photo: bytes) -> bool:
        """Keep a photo; as `ImageFolder.put`."""
        with self._lock:
            if self._bytes + len(photo) > self._max_bytes:
                return False
            self._bytes += len(photo)
        try:
            with _as_os_errors():
                self._fs.pipe_file(self._path(prediction_id), photo)
        except OSError:
            with self._lock:
                self._bytes -= len(photo)
            raise
        return True

    def get(self, prediction_id: str) -> bytes | None:
        """Return a photo's bytes as they came, unless it was not kept or has expired."""
        try:
            with _as_os_errors():
                photo: bytes = self._fs.cat_file(self._path(prediction_id))
        except FileNotFoundError:
            return None
        return photo

    def remove(self, prediction_id: str) -> bool:
        """Forget a photo; returns whether it was there."""
        path = self._path(prediction_id)
        try:
            with _as_os_errors():
                size = int(self._fs.info(path)["size"])
                self._fs.rm_file(path)
        except FileNotFoundError:
            return False
        with self._lock:
            self._bytes -= size
        return True

    def expire(self, moment: datetime) -> None:
        """Begin to remove what is older than its days; returns at once."""
        self._begin_sweep(moment - timedelta(days=self._days))

    def _begin_sweep(self, before: datetime | None) -> None:
        if self._sweeping.acquire(blocking=False):
            threading.Thread(target=self._sweep, args=(before,), name="bucket-sweep", daemon=True).start()

    def _sweep(self, before: datetime | None) -> None:
        try:
            with _as_os_errors():
                if before is not None:
                    self._remove_shards(before)
                total = self._count()
            with self._lock:
                self._bytes = total
        except OSError as error:
            _log.error("bucket_not_swept", reason=str(error))
        finally:
            self._sweeping.release()

    def _remove_shards(self, before: datetime) -> None:
        self._fs.invalidate_cache()
        with suppress(FileNotFoundError):  # nothing was kept yet
            names = [
                str(path).rstrip("/").rsplit("/", 1)[-1] for path in self._fs.ls(self._root, detail=False)
            ]
            for shard in shards_before(names, before):
                self._fs.rm(f"{self._root}/{shard}", recursive=True)

    def _count(self) -> int:
        self._fs.invalidate_cache()
        try:
            return int(self._fs.du(self._root, total=True))
        except FileNotFoundError:
            return 0

    def _path(self, prediction_id: str) -> str:
        return f"{self._root}/{shard_of(prediction_id)}/{prediction_id}"


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """Turn whatever a bucket's library raises into what a disk would raise.

    Raises:
        OSError: With the kind of the error in words; its own text may hold addresses and names.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        raise OSError(f"the bucket failed: {type(error).__name__}") from error


def _file_system(uri: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - only those who have a bucket need it
    except ImportError as error:
        raise ConfigError("photos in a bucket need the extra `bucket`") from error
    kind = urlsplit(uri).scheme
    try:
        file_system, root = url_to_fs(uri, use_listings_cache=False)
    except ImportError as error:
        raise ConfigError(f"photos in {kind}:// need the extra `bucket`") from error
    except ValueError as error:
        raise ConfigError(f"nothing is known of {kind}:// as a place for photos") from error
    return file_system, str(root).rstrip("/")
