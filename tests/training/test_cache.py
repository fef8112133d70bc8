from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from src.data.layout import original_path, stored_path
from src.training.cache import fill_cache
from src.utils.errors import DataError


def test_pixels_are_those_of_the_photo(run, photos):
    assert len(photos) == 96
    with Image.open(stored_path(photos[3].record, run.data.raw)) as image:
        assert np.array_equal(photos[3].pixels(), np.asarray(image))
    assert photos[3].image().size == (128, 128)


def test_a_large_photo_is_capped(run, records, tmp_path):
    (photo,) = fill_cache(records[:1], run.data.raw, tmp_path, 64, workers=1)
    assert photo.pixels().shape == (64, 64, 3)


def test_unreadable_and_missing_photos_are_left_out(run, records, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(run.data.raw, raw)
    stored_path(records[0], raw).write_bytes(b"no picture")
    stored_path(records[1], raw).unlink()
    usable = fill_cache(records[:5], raw, tmp_path / "cache", 64, workers=1)
    assert [photo.record for photo in usable] == records[2:5]


def test_an_original_that_arrives_later_takes_the_stored_forms_place(run, records, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(run.data.raw, raw)
    fill_cache(records[:1], raw, tmp_path / "cache", 512, workers=1)
    original = original_path(records[0], raw)
    original.parent.mkdir()
    Image.new("RGB", (300, 200), "red").save(original, "JPEG")
    (photo,) = fill_cache(records[:1], raw, tmp_path / "cache", 512, workers=1)
    assert photo.pixels().shape == (200, 300, 3)


def test_no_photo_at_all_is_an_error_that_tells_what_to_do(records, tmp_path):
    with pytest.raises(DataError, match="make data"):
        fill_cache(records[:2], tmp_path, tmp_path / "cache", 64, workers=1)
