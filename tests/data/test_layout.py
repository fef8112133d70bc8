"""The best file of a photo is found, and never one that cannot be decoded."""

from pathlib import Path

from src.data.layout import locate, original_path, stored_path
from tests.data.builders import photo, record


def test_original_comes_before_stored_form(tmp_path: Path) -> None:
    made = photo(tmp_path, 1)
    assert locate(made, tmp_path) == original_path(made, tmp_path)
    original_path(made, tmp_path).unlink()
    assert locate(made, tmp_path) == stored_path(made, tmp_path)
    stored_path(made, tmp_path).unlink()
    assert locate(made, tmp_path) is None


def test_original_that_imaging_does_not_read_gives_way_to_stored_form(tmp_path: Path) -> None:
    made = photo(tmp_path, 1, kind="JPEG2000", size=(64, 64))
    assert original_path(made, tmp_path).is_file()
    assert locate(made, tmp_path) == stored_path(made, tmp_path)


def test_multi_picture_jpeg_is_named_as_jpeg(tmp_path: Path) -> None:
    assert original_path(record(1, original_format="MPO"), tmp_path).suffix == ".jpeg"
