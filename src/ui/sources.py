"""The photos of a catalogue one by one, from files, a ZIP archive or a table of addresses.

An archive is unpacked a photo at a time and never to disk; what its directory says of sizes is not believed.
"""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from src.client import ApiError
from src.ui.strings.shared import FILE_LEFT_OUT
from src.ui.wording import size

_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one catalogue.

    Attributes:
        photos: Most photos.
        photo_bytes: Most bytes of one after unpacking.
        total_bytes: Most bytes of all after unpacking.
    """

    photos: int
    photo_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Item:
    """One photo of a catalogue: its bytes, its address, or why there is neither."""

    name: str
    photo: bytes | None = None
    address: str | None = None
    problem: ApiError | None = None


class BadSource(ApiError):  # noqa: N818 - what it says reads better without
    """The whole archive or table cannot be read."""

    def __init__(self, code: str) -> None:
        super().__init__(code, 0, FILE_LEFT_OUT[code])
        self.args = (code,)


def from_files(files: Sequence[tuple[str, bytes]], limits: Limits) -> Iterator[Item]:
    """Give uploaded files, as many as a catalogue holds.

    Yields:
        Items; those beyond the limit with their problem.
    """
    for index, (name, photo) in enumerate(files):
        yield Item(name, photo) if index < limits.photos else _left_out(name, "too_many", limits.photos)


def open_zip(archive: bytes) -> zipfile.ZipFile:
    """Open an archive.

    Raises:
        BadSource: It is none, or damaged.
    """
    try:
        return zipfile.ZipFile(io.BytesIO(archive))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError) as error:
        raise BadSource("zip_damaged") from error


def members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the files of an archive, without folders and what systems add for themselves."""
    return [
        each
        for each in archive.infolist()
        if not each.is_dir() and not each.filename.startswith("__MACOSX/") and _base(each.filename)[:1] != "."
    ]


def from_zip(archive: zipfile.ZipFile, limits: Limits) -> Iterator[Item]:
    """Unpack the photos of an archive one by one.

    Yields:
        Items; a problem for a file that is protected, damaged, or unpacks to more than a photo may have.
    """
    unpacked = 0
    for index, member in enumerate(members(archive)):
        name = member.filename
        if index >= limits.photos:
            yield _left_out(name, "too_many", limits.photos)
        elif unpacked >= limits.total_bytes:
            yield _left_out(name, "zip_too_large", size(limits.total_bytes))
        else:
            item, count = _unpack(archive, member, limits)
            unpacked += count
            yield item


def from_csv(table: bytes, limits: Limits) -> Iterator[Item]:
    """Give the addresses of the first column that holds any.

    Yields:
        Items in the order of the rows.

    Raises:
        BadSource: It is no table in UTF-8, or no column holds addresses.
    """
    try:
        rows = list(csv.reader(io.StringIO(table.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadSource("csv_unreadable") from error
    width = max(map(len, rows), default=0)
    columns = ([row[place].strip() if place < len(row) else "" for row in rows] for place in range(width))
    found = next(
        (chosen for column in columns if (chosen := [cell for cell in column if _is_address(cell)])), None
    )
    if found is None:
        raise BadSource("csv_no_address")
    for index, address in enumerate(found):
        within = index < limits.photos
        yield Item(address, address=address) if within else _left_out(address, "too_many", limits.photos)


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limits: Limits) -> tuple[Item, int]:
    name = member.filename
    if member.flag_bits & _ENCRYPTED:
        return _left_out(name, "zip_encrypted"), 0
    try:
        with archive.open(member) as packed:
            photo = packed.read(limits.photo_bytes + 1)
    except NotImplementedError:
        return _left_out(name, "zip_method"), 0
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError):
        return _left_out(name, "zip_damaged_file"), 0
    if len(photo) > limits.photo_bytes:
        return _left_out(name, "zip_file_too_large", size(limits.photo_bytes)), len(photo)
    return Item(name, photo), len(photo)


def _left_out(name: str, code: str, limit: int | str = "") -> Item:
    return Item(name, problem=ApiError(code, 0, FILE_LEFT_OUT[code].format(limit=limit)))


def _is_address(cell: str) -> bool:
    return cell.lower().startswith(("http://", "https://"))


def _base(path: str) -> str:
    return path.rsplit("/", 1)[-1]
