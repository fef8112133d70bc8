"""The manifest is read strictly, written back unchanged, and hashed by content."""

from pathlib import Path

import pytest

from src.data.manifest import COLUMNS, manifest_hash, read_manifest, write_manifest
from src.utils.errors import DataError
from tests.data.builders import record

COMMITTED = Path("data/manifest.csv")


def test_committed_manifest_is_valid_and_written_back_byte_for_byte(tmp_path: Path) -> None:
    records = read_manifest(COMMITTED)
    assert len(records) == 6322
    write_manifest(tmp_path / "again.csv", records)
    assert (tmp_path / "again.csv").read_bytes() == COMMITTED.read_bytes()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    records = [record(1), record(2, fake=True), record(3, group='odd, "quoted"', year=None)]
    write_manifest(tmp_path / "m.csv", records)
    assert read_manifest(tmp_path / "m.csv") == records


def test_photo_id_and_label_are_derived() -> None:
    made = record(1, fake=True)
    assert made.photo_id == made.sha256[:16]
    assert made.is_fake
    assert not record(1).is_fake


@pytest.mark.parametrize(
    ("column", "value", "where"),
    [
        ("label", "fake", "label"),
        ("sha256", "ABC", "sha256"),
        ("commit", "HEAD", "commit"),
        ("repo", "name", "repo"),
        ("width", "0", "width"),
        ("year", "1066", "year"),
        ("repo_path", "../../secret", "repo_path"),
        ("path", "/etc/passwd", "path"),
        ("generator", "sdxl", "row"),
        ("style", "painting", "style"),
    ],
)
def test_bad_cell_is_named_with_its_line(tmp_path: Path, column: str, value: str, where: str) -> None:
    path = tmp_path / "m.csv"
    write_manifest(path, [record(1), record(2)])
    lines = path.read_text().splitlines()
    cells = lines[2].split(",")
    cells[COLUMNS.index(column)] = value
    path.write_text("\n".join([*lines[:2], ",".join(cells)]) + "\n")
    with pytest.raises(DataError, match=rf"line 3, {where}:"):
        read_manifest(path)


def test_missing_file_foreign_columns_bad_encoding_and_doubles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    with pytest.raises(DataError, match="no manifest"):
        read_manifest(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="columns"):
        read_manifest(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        read_manifest(path)
    write_manifest(path, [record(1), record(1)])
    with pytest.raises(DataError, match="twice"):
        read_manifest(path)


def test_hash_follows_facts_and_not_order() -> None:
    a, b = record(1), record(2)
    assert manifest_hash([a, b]) == manifest_hash([b, a])
    assert manifest_hash([a, b]) != manifest_hash([a, b.model_copy(update={"category": "food"})])
