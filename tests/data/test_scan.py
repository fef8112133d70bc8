"""A scan tells of every file, remembers what it read, and goes on after a kill."""

from pathlib import Path

import pytest

from src.data import scan as module
from src.data.layout import original_path, stored_path
from src.data.scan import scan
from tests.data.builders import photo, record


def test_rows_of_good_broken_and_missing_files(tmp_path: Path) -> None:
    good, broken, alone = photo(tmp_path, 1, kind="JPEG"), photo(tmp_path, 2), photo(tmp_path, 3)
    original_path(broken, tmp_path).write_bytes(b"no image at all")
    stored_path(broken, tmp_path).write_bytes(stored_path(broken, tmp_path).read_bytes()[:-300])
    original_path(alone, tmp_path).unlink()
    found = list(scan([good, broken, alone, record("gone")], tmp_path, tmp_path / "deep" / "scan.jsonl"))
    assert [[row.form for row in rows] for rows in found] == [["original", "stored"]] * 2 + [["stored"], []]
    original = found[0][0]
    assert (original.sha256, original.error, original.width, original.height) == (good.sha256, "", 96, 64)
    assert len(original.dhash) == 64
    assert [row.error for row in found[1]] == ["unsupported_format", "corrupt_image"]
    assert found[1][0].facts is None
    assert found[1][1].facts is not None


def test_second_scan_reads_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [photo(tmp_path, n) for n in range(4)]
    cache = tmp_path / "scan.jsonl"
    first = list(scan(records, tmp_path, cache))
    with cache.open("a") as file:
        file.write('{"photo_id": "a line that a kill cut o')
    read = []
    whole = module.scan_file
    monkeypatch.setattr(module, "scan_file", lambda *a: read.append(a[2]) or whole(*a))  # type: ignore[func-returns-value]
    assert list(scan(records, tmp_path, cache)) == first
    assert read == []
    stored_path(records[1], tmp_path).write_bytes(stored_path(records[0], tmp_path).read_bytes())
    list(scan(records, tmp_path, cache))
    assert read == [stored_path(records[1], tmp_path)]


def test_scan_that_was_left_early_keeps_its_rows(tmp_path: Path) -> None:
    records = [photo(tmp_path, n) for n in range(3)]
    cache = tmp_path / "scan.jsonl"
    rows = scan(records, tmp_path, cache)
    next(iter(rows))
    rows.close()  # type: ignore[attr-defined]
    assert len(cache.read_text().splitlines()) == 2
