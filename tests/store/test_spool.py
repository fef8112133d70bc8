"""The spool by itself: durable, bounded, shared, and untroubled by torn files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from src.store.records import new_id
from src.store.spool import Spool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "spool"


def test_oldest_come_first_and_go_when_removed(folder: Path) -> None:
    spool = Spool(folder, max_bytes=2**20)
    keys = [f"{number:032x}" for number in range(12)]
    for key in reversed(keys):
        assert spool.put(key, key.encode())
    assert spool.oldest(5) == keys[:5]
    assert spool.get(keys[3]) == keys[3].encode()
    assert spool.remove(keys[0])
    assert not spool.remove(keys[0])
    assert spool.oldest(1) == [keys[1]]
    assert (spool.records, spool.bytes) == (11, 11 * 4096)


def test_file_and_name_are_flushed_before_it_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(folder, max_bytes=2**20)
    flushed: list[str] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        flushed.append(Path(f"/dev/fd/{descriptor}").resolve().name)
        real(descriptor)

    monkeypatch.setattr("src.store.spool.os.fsync", watched)
    spool.put("0" * 32, b"x")
    assert flushed == ["0" * 32 + ".part", "spool"]


def test_bound_counts_whole_blocks_and_what_was_there_before(folder: Path) -> None:
    spool = Spool(folder, max_bytes=4 * 4096)
    assert spool.put(new_id(), b"x" * 5000)  # two blocks
    again = Spool(folder, max_bytes=4 * 4096)
    assert (again.records, again.bytes) == (1, 8192)
    assert again.put(new_id(), b"x")
    assert not again.put(new_id(), b"x" * 5000)
    assert again.put(new_id(), b"x")
    assert not again.put(new_id(), b"x")


def test_room_that_another_process_made_is_noticed(folder: Path) -> None:
    ours, key = Spool(folder, max_bytes=4096), new_id()
    ours.put(key, b"x")
    Spool(folder, max_bytes=4096).remove(key)
    assert ours.put(new_id(), b"x")


def test_what_another_process_put_is_counted_soon(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = Spool(folder, max_bytes=4096), Spool(folder, max_bytes=4096)
    assert theirs.put(new_id(), b"x")
    later = time.monotonic() + 6
    monkeypatch.setattr("src.store.spool.time.monotonic", lambda: later)
    assert not ours.put(new_id(), b"x")


def test_failed_write_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(folder, max_bytes=2**20)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("src.store.spool.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        spool.put(new_id(), b"x")
    assert list(folder.iterdir()) == []
    assert (spool.records, spool.bytes) == (0, 0)


def test_torn_files_are_never_read_and_removed_once_they_are_old(folder: Path) -> None:
    folder.mkdir(parents=True)
    old, young = folder / "a.part", folder / "b.part"
    for path in (old, young):
        path.write_bytes(b"half of")
    os.utime(old, (time.time() - 7200,) * 2)
    assert Spool(folder, max_bytes=2**20).oldest(10) == []
    assert [path.name for path in folder.iterdir()] == ["b.part"]


def test_rejected_file_is_put_aside_whole(folder: Path) -> None:
    spool = Spool(folder, max_bytes=2**20)
    spool.put("f" * 32, b"odd")
    spool.reject("f" * 32)
    spool.reject("f" * 32)
    assert (spool.oldest(10), spool.records) == ([], 0)
    assert (folder / "rejected" / f"{'f' * 32}.json").read_bytes() == b"odd"
