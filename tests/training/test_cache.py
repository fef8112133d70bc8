from __future__ import annotations

import shutil

import numpy as np
import pytest

from src.data.layout import stored_path
from src.training.cache import cache_folder, fill_cache, load_pixels
from src.utils.errors import DataError


def test_pixels_are_capped_and_complete(run, records):
    pixels = load_pixels(cache_folder(run.data.cache, run.views.max_side), records[0].photo_id)
    assert pixels.dtype == np.uint8
    assert max(pixels.shape[:2]) <= run.views.max_side
    assert len(records) == 96


def test_unreadable_and_missing_photos_are_left_out(run, records, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(run.data.raw, raw)
    stored_path(records[0], raw).write_bytes(b"no picture")
    stored_path(records[1], raw).unlink()
    usable = fill_cache(records[:5], raw, tmp_path / "cache", 64, workers=1)
    assert usable == records[2:5]


def test_no_photo_at_all_is_an_error_that_tells_what_to_do(records, tmp_path):
    with pytest.raises(DataError, match="make data"):
        fill_cache(records[:2], tmp_path, tmp_path / "cache", 64, workers=1)
