"""A model that travels lies where nobody else can change it between the check and the use."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from src.scan.on_ray import _unpack
from src.utils.errors import ScanError


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_it_is_written_once_and_for_one_user(tmp_path: Path) -> None:
    path = _unpack(b"model", "d" * 64)
    assert path.read_bytes() == b"model"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o077 == 0
    written = path.stat().st_mtime_ns
    assert _unpack(b"model", "d" * 64) == path
    assert path.stat().st_mtime_ns == written
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_folder_that_others_may_use_and_a_link_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / f"detector-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ScanError, match="only this user"):
        _unpack(b"model", "d" * 64)
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ScanError, match="only this user"):
        _unpack(b"model", "d" * 64)
    folder.unlink()
    folder.write_bytes(b"")
    with pytest.raises(ScanError, match="cannot be put"):
        _unpack(b"model", "d" * 64)
