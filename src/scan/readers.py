"""Inputs in, their bytes out, in order and a few ahead: whoever judges never waits for a disk or a network.

What cannot be read is an error in the photo's place. No more than a few are held.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from threading import Lock, Thread
from time import sleep

import pyarrow as pa
import pyarrow.parquet as pq

from src.inference.budget import Budget
from src.inference.photo import read_photo
from src.inference.remote import Fetcher
from src.scan.items import Item
from src.scan.places import filesystem, is_local, local_path, opened
from src.scan.tables import bytes_column, photo_column
from src.utils.errors import (
    ConfigError,
    DetectorError,
    EmptyImage,
    ImageError,
    ImageTooLarge,
    OverloadedError,
    UrlError,
)

Read = bytes | DetectorError

_AHEAD, _FAR_AHEAD = 4, 16
"""Photos that are read beside each other: from a disk, and from where an answer takes its time."""
_TRIES, _PAUSE_S = 3, 0.2
_ROWS = 16


class Reader:
    """Reads inputs.

    Args:
        max_bytes: Largest photo.
        column: Of tables with bytes, as in `list_source`.
        fetcher: Fetches addresses, with the service's rules.
    """

    def __init__(self, max_bytes: int, column: str | None, fetcher: Callable[[], Fetcher]) -> None:
        self._max_bytes = max_bytes
        self._column = column
        self._fetcher = fetcher
        self._web: _Web | None = None
        self._starting = Lock()
        self._pool = ThreadPoolExecutor(_FAR_AHEAD, thread_name_prefix="read")

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(cancel_futures=True)
        if self._web is not None:
            self._web.close()

    def read(self, items: Sequence[Item]) -> Iterator[Read]:
        """The bytes of each input, or why there are none."""
        for (kind, address), group in groupby(items, key=_together):
            together = list(group)
            if kind == "row":
                yield from self._rows(address, together)
            else:
                yield from self._ahead(together)

    def read_one(self, item: Item) -> Read:
        """The bytes of one input that is no row of a table, or why there are none."""
        try:
            if item.kind == "url":
                return self._fetch(item.source)
            if is_local(item.source):
                if item.kind == "file":
                    return read_photo(local_path(item.source), self._max_bytes)
                return self._part(item)
            return self._remote(item)
        except DetectorError as error:
            return error
        except ValueError:  # a path that no system takes, such as one with a zero byte
            return ImageError("unreadable_file", "The place of the photo is none.")

    def _ahead(self, items: Sequence[Item]) -> Iterator[Read]:
        near = items[0].kind != "url" and is_local(items[0].source)
        most = _AHEAD if near else _FAR_AHEAD
        waiting: deque[Future[Read]] = deque()
        rest = iter(items)
        try:
            for item in rest:
                waiting.append(self._pool.submit(self.read_one, item))
                if len(waiting) >= most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _part(self, item: Item) -> bytes:
        self._check(item.size)
        try:
            with local_path(item.source).open("rb") as file:
                file.seek(item.offset)
                return _whole(file.read(item.size), item.size)
        except OSError as error:
            raise ImageError("unreadable_file", f"The file cannot be read: {error.strerror}.") from error

    def _remote(self, item: Item) -> bytes:
        """Ask a bucket; what may pass by itself is asked for again."""
        for again in range(_TRIES):
            try:
                fs, path = filesystem(item.source)
                if item.kind == "tar":
                    self._check(item.size)
                    data = bytes(fs.cat_file(path, start=item.offset, end=item.offset + item.size))
                    return _whole(data, item.size)
                # One byte more than allowed shows that there is too much, without a request for the size.
                data = bytes(fs.cat_file(path, start=0, end=self._max_bytes + 1))
                self._check(len(data))
                return _whole(data, None)
            except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
                raise ImageError(
                    "unreadable_file", f"The object cannot be read: {error.strerror}."
                ) from error
            except DetectorError:
                raise
            except Exception as error:  # the errors of stores' libraries share no base class but this
                if again == _TRIES - 1:
                    raise ImageError("unreadable_file", "The object cannot be read.") from error
                sleep(_PAUSE_S * 4**again)
        raise AssertionError("each try returns or raises")

    def _fetch(self, url: str) -> bytes:
        """Ask a host; what may pass by itself is asked for again."""
        with self._starting:
            if self._web is None:
                self._web = _Web(self._fetcher(), self._max_bytes)
        for again in range(_TRIES):
            try:
                return self._web.fetch(url)
            except (UrlError, OverloadedError) as error:
                if error.code == "url_not_allowed" or again == _TRIES - 1:
                    raise
                sleep(_PAUSE_S * 4**again)
        raise AssertionError("each try returns or raises")

    def _rows(self, address: str, items: Sequence[Item]) -> Iterator[Read]:
        """Bytes of rows that follow one another in a table; batches are small, as each row is a photo."""
        told = 0
        try:
            for data in self._column_from(address, items):
                yield self._cell(data)
                told += 1
        except (OSError, pa.ArrowException, ConfigError):
            # What was told is told; the rest of this table cannot be.
            gone = ImageError("unreadable_file", "The table cannot be read.")
            yield from [gone] * (len(items) - told)

    def _column_from(self, address: str, items: Sequence[Item]) -> Iterator[bytes | None]:
        first, wanted = items[0].offset, {item.offset for item in items}
        with opened(address) as file, pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20) as table:
            name = photo_column(table.schema_arrow.names, self._column)
            path = bytes_column(table.schema_arrow, name) or name
            before, groups = 0, []
            for group in range(table.num_row_groups):
                rows = table.metadata.row_group(group).num_rows
                if before + rows > first:
                    groups.append(group)
                else:
                    before += rows
            number = before
            for batch in table.iter_batches(batch_size=_ROWS, row_groups=groups, columns=[path]):
                cells = batch.column(0)
                for index in range(batch.num_rows):
                    if number in wanted:
                        value = cells[index].as_py()
                        yield value["bytes"] if isinstance(value, dict) else value
                    number += 1
                if number > items[-1].offset:
                    return

    def _cell(self, data: bytes | None) -> Read:
        if not data:
            return EmptyImage()
        return data if len(data) <= self._max_bytes else _too_large(self._max_bytes)

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise _too_large(self._max_bytes)


class _Web:
    """The service's fetcher on an event loop of its own, for callers in many threads."""

    def __init__(self, fetcher: Fetcher, max_bytes: int) -> None:
        self._fetcher = fetcher
        self._max_bytes = max_bytes
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="web", daemon=True)
        self._thread.start()

    def fetch(self, url: str) -> bytes:
        return asyncio.run_coroutine_threadsafe(self._fetch(url), self._loop).result()

    async def _fetch(self, url: str) -> bytes:
        with Budget(self._max_bytes).lease() as lease:
            return (await self._fetcher.fetch(url, lease)).data

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _together(item: Item) -> tuple[str, str]:
    """Rows of one table are read together; of all else, what is read alike."""
    if item.kind == "row":
        return "row", item.source
    return item.kind, "" if item.kind == "url" or is_local(item.source) else "remote"


def _too_large(most: int) -> ImageTooLarge:
    return ImageTooLarge("file_too_large", f"The file is larger than {most} bytes.")


def _whole(data: bytes, size: int | None) -> bytes:
    if not data:
        raise EmptyImage
    if size is not None and len(data) < size:
        raise ImageError("unreadable_file", "The file ends before the photo does.")
    return data
