"""A file of a destination is whole or not there, whoever else writes, and whatever goes wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from src.scan.places import Bucket, Folder, Place, open_place
from src.utils.errors import ScanError
from tests.support.patience import eventually

HOLDER = """
import sys, time
from pathlib import Path
from src.scan.places import Folder
with Folder(Path(sys.argv[1])).hold():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "folder":
        yield Folder(tmp_path)
        return
    MemoryFileSystem.store.clear()
    yield Bucket("memory://shop/out")
    MemoryFileSystem.store.clear()


def content(place: Place, name: str) -> bytes:
    with place.open(name) as file:
        return file.read()


def test_what_is_written_is_found_and_only_the_first_creates(place: Place) -> None:
    assert place.names("a") == []
    with pytest.raises(FileNotFoundError):
        place.open("a/x")
    place.write("a/x", b"1")
    place.write("a/x", b"2")
    assert place.create("a/y", b"3")
    assert not place.create("a/y", b"4")
    assert place.names("a") == ["x", "y"]
    assert (content(place, "a/x"), content(place, "a/y")) == (b"2", b"3")


def test_a_full_disk_is_said_and_leaves_the_file_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Folder(tmp_path)
    place.write("a/x", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("src.scan.places.os.fsync", full)
    with pytest.raises(ScanError, match="No space left"):
        place.write("a/x", b"new")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x"]
    assert content(place, "a/x") == b"old"


def test_a_store_whose_library_fails_in_its_own_way_stops_the_scan_with_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class NoCredentialsError(Exception):
        """As the libraries of buckets raise: no OSError."""

    def fail(*_: Any, **__: Any) -> None:
        raise NoCredentialsError("who are you")

    for name in ("ls", "open", "pipe_file"):
        monkeypatch.setattr(MemoryFileSystem, name, fail)
    place = open_place("memory://shop/out")
    calls = (
        lambda: place.names("a"),
        lambda: place.open("a"),
        lambda: place.write("a", b""),
        lambda: place.create("a", b""),
    )
    for call in calls:
        with pytest.raises(ScanError, match="NoCredentialsError: who are you"):
            call()


def test_one_scan_at_a_time_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ScanError, match="another scan"), Folder(tmp_path).hold():
            pass
        holder.kill()

    def free() -> bool:
        with Folder(tmp_path).hold():
            return True

    eventually(free, "the lock outlived its holder")
