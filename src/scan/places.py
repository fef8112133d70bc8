"""Where a scan keeps what it finds: a folder, or a bucket by fsspec. A name appears whole or not at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, Protocol
from uuid import uuid4

import structlog

from src.utils.errors import ConfigError, ScanError

_TEMPORARY = ".tmp"
_LOCK = "_runs/lock"
_log = structlog.get_logger(__name__)


class Place(Protocol):
    """A folder of files; names are relative to it, with slashes."""

    def names(self, folder: str) -> list[str]:
        """Names of the files right in a folder, sorted; none if there is no such folder."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading at any place.

        Raises:
            FileNotFoundError: There is none.
            ScanError: It cannot be read.
        """
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a file that is seen whole or not at all, durable when this returns.

        Raises:
            ScanError: It cannot be written; nothing is left of it.
        """
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Write a file as `write` does, unless it is there; of several who try at once one does.

        Returns:
            Whether it was written.

        Raises:
            ScanError: It cannot be written.
        """
        ...

    def hold(self) -> AbstractContextManager[None]:
        """Keep others from scanning to here while the block runs, where a place can do that.

        Raises:
            ScanError: Another scan runs.
        """
        ...

    def sweep(self, folder: str) -> None:
        """Remove what writers that were killed have left in a folder."""
        ...


class Folder:
    """A folder of this machine, or of a file system that all machines share."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, folder: str) -> list[str]:
        """As in `Place`."""
        place = self._root / folder
        if not place.is_dir():
            return []
        return sorted(entry.name for entry in os.scandir(place) if not entry.name.endswith(_TEMPORARY))

    def open(self, name: str) -> IO[bytes]:
        """As in `Place`."""
        try:
            return (self._root / name).open("rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ScanError(f"the destination cannot be read: {error.strerror}") from error

    def write(self, name: str, data: bytes) -> None:
        """As in `Place`: written beside, synced, renamed."""
        path = self._root / name
        beside = path.with_name(f".{path.name}.{uuid4().hex}{_TEMPORARY}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with beside.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
            _sync(path.parent)
        except OSError as error:
            raise ScanError(f"the destination cannot be written: {error.strerror}") from error

    def create(self, name: str, data: bytes) -> bool:
        """As in `Place`; nobody comes between, as only who holds the folder creates."""
        if (self._root / name).exists():
            return False
        self.write(name, data)
        return True

    @contextmanager
    def hold(self) -> Iterator[None]:
        """As in `Place`: by a lock that ends with the process, however that ends."""
        path = self._root / _LOCK
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("ab")
        except OSError as error:
            raise ScanError(f"the destination cannot be written: {error.strerror}") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ScanError("another scan writes to this destination now") from error
            except OSError as error:  # a file system without locks
                _log.warning("scan_not_locked", reason=error.strerror)
            yield

    def sweep(self, folder: str) -> None:
        """As in `Place`."""
        place = self._root / folder
        if place.is_dir():
            for path in place.glob(f".*{_TEMPORARY}"):
                path.unlink(missing_ok=True)


class Bucket:
    """A place that fsspec reaches; its stores put an object whole or not at all."""

    def __init__(self, url: str) -> None:
        self._fs, self._root = filesystem(url)

    def names(self, folder: str) -> list[str]:
        """As in `Place`."""
        try:
            found = self._fs.ls(f"{self._root}/{folder}", detail=False, refresh=True)
        except FileNotFoundError:
            return []
        except Exception as error:  # the errors of stores' libraries share no base class but this
            raise ScanError(f"the destination cannot be listed: {_words(error)}") from error
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in found)

    def open(self, name: str) -> IO[bytes]:
        """As in `Place`."""
        try:
            opened: IO[bytes] = self._fs.open(f"{self._root}/{name}", "rb")
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ScanError(f"the destination cannot be read: {_words(error)}") from error
        return opened

    def write(self, name: str, data: bytes) -> None:
        """As in `Place`."""
        try:
            self._put(name, data, "overwrite")
        except Exception as error:
            raise ScanError(f"the destination cannot be written: {_words(error)}") from error

    def create(self, name: str, data: bytes) -> bool:
        """As in `Place`: S3 and GCS are asked to write only what is not there."""
        try:
            self._put(name, data, "create")
        except Exception as error:
            self._fs.invalidate_cache()
            if self._fs.isfile(f"{self._root}/{name}"):  # each store's library says it in its own way
                return False
            raise ScanError(f"the destination cannot be written: {_words(error)}") from error
        return True

    def hold(self) -> AbstractContextManager[None]:
        """As in `Place`: nothing is held; two scans at once do the work twice and write the same rows."""
        return nullcontext()

    def _put(self, name: str, data: bytes, mode: str) -> None:
        path = f"{self._root}/{name}"
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._fs.pipe_file(path, data, mode=mode)

    def sweep(self, folder: str) -> None:
        """As in `Place`: an object that was not finished was never there."""


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"


def is_local(address: str) -> bool:
    """Whether an address names a file of this machine."""
    return "://" not in address or address.startswith("file://")


def local_path(address: str) -> Path:
    """The path that a local address means."""
    return Path(address.removeprefix("file://"))


def open_place(address: str) -> Place:
    """The place that an address names.

    Raises:
        ConfigError: No library for this kind of address is installed.
    """
    return Folder(local_path(address)) if is_local(address) else Bucket(address)


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path in it.

    Raises:
        ConfigError: No library for this kind of address is installed.
    """
    try:
        import fsspec  # noqa: PLC0415 - local scans need none of it

        fs, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        scheme = url.partition("://")[0]
        raise ConfigError(f"{scheme}:// needs the extra 'scan' and a scheme that fsspec knows") from error
    return fs, str(path).rstrip("/")


@contextmanager
def opened(address: str) -> Iterator[IO[bytes]]:
    """A file of a disk or a bucket, open for reading at any place."""
    if is_local(address):
        with local_path(address).open("rb") as file:
            yield file
    else:
        fs, path = filesystem(address)
        with fs.open(path, "rb") as file:
            yield file


def _sync(folder: Path) -> None:
    """Make a rename durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
