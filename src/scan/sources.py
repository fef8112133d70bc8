"""A source as a person names it comes in, a stream of inputs goes out; nothing is read of the photos yet.

A folder or glob gives the photos, tar files and Parquet files in it; a CSV or Parquet file that is named
gives its rows. All of it on a disk or, by fsspec, in a bucket.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from src.scan import tables, tars
from src.scan.items import Item
from src.scan.places import filesystem, is_local, local_path
from src.utils.errors import ConfigError
from src.utils.photo_files import PHOTO_SUFFIXES

_TABLES = (".parquet", ".csv", ".tsv")
_FOUND = (*sorted(PHOTO_SUFFIXES), ".tar", ".parquet")
"""What is taken from a folder; a CSV file among photos is more likely about them than a list of others."""
_PASSED_OVER = (".", "_", "model_version=")
"""Hidden, or a scan's own: the rows of one that lie in its source are no photos."""
_PACKED = (".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz")


def list_source(source: str, column: str | None = None) -> Iterator[Item]:
    """List the inputs of a source, the same order each time.

    Args:
        source: Folder, glob, `.csv`, `.tsv`, `.parquet`, `.tar`, a photo, or such a thing at `s3://`, `gs://`
            or another scheme that fsspec knows.
        column: Of a table: where its paths, addresses or bytes are; guessed by name by default.

    Raises:
        ConfigError: No such source, or none that can be read.
    """
    return _local(source, column) if is_local(source) else _remote(source, column)


def _local(source: str, column: str | None) -> Iterator[Item]:
    path = local_path(source)
    if path.is_dir():
        root = path.absolute()
        for name in _walk(root):
            yield from _found(name, os.path.relpath(name, root), column)
    elif glob.has_magic(source):
        for name in sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207 - it may be absolute
            if name.lower().endswith(_FOUND) and Path(name).is_file():
                yield from _found(str(Path(name).absolute()), name, column)
    elif path.is_file():
        yield from _one(str(path.absolute()), path.name, column)
    else:
        raise ConfigError("no such file or folder")


def _remote(source: str, column: str | None) -> Iterator[Item]:
    fs, path = filesystem(source)
    scheme = source.partition("://")[0]
    try:
        if glob.has_magic(path):
            names: Iterator[str] = iter(sorted(fs.glob(path)))
        elif fs.isdir(path):
            names = _walk_remote(fs, path)
        elif fs.exists(path):
            yield from _one(source, path.rpartition("/")[2], column)
            return
        else:
            raise ConfigError("no such object or prefix")
        for name in names:
            if name.lower().endswith(_FOUND):
                yield from _found(f"{scheme}://{name}", name.removeprefix(f"{path}/"), column)
    except OSError as error:
        raise ConfigError(f"the source cannot be listed: {error.strerror or error}") from error


def _one(address: str, short: str, column: str | None) -> Iterator[Item]:
    """What one file stands for: itself, or all that it holds."""
    lower = address.lower()
    if lower.endswith(_PACKED):
        raise ConfigError("packed tar files have no places to read from: unpack them to .tar")
    if lower.endswith(".tar"):
        yield from tars.list_tar(address, short)
    elif lower.endswith(_TABLES):
        yield from tables.list_table(address, short, column)
    else:
        yield Item(short, "file", address)


def _found(address: str, short: str, column: str | None) -> Iterator[Item]:
    """What a file among others stands for; a table that is damaged is a row with an error, as a photo is."""
    try:
        yield from _one(address, short, column)
    except tables.DamagedError:
        yield Item(short, "file", address)


def _walk(folder: Path) -> Iterator[str]:
    """Files below a folder, sorted folder by folder; hidden ones and a scan's own `_plan` are left out."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.name.startswith(_PASSED_OVER):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif entry.name.lower().endswith(_FOUND) and entry.is_file():
            yield entry.path


def _walk_remote(fs: object, path: str) -> Iterator[str]:
    for folder, folders, files in fs.walk(path):  # type: ignore[attr-defined] # fsspec has no types
        folders[:] = sorted(name for name in folders if not name.startswith(_PASSED_OVER))
        for name in sorted(files):
            if not name.startswith(_PASSED_OVER):
                yield f"{folder}/{name}"
