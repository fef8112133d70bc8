from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.training.augment import CELL, _hide_corner, crop_view, global_view, spliced_view
from src.training.config import AugmentConfig

EVERYTHING = AugmentConfig(rescale=1, codec=1, colour=1, blur_or_noise=1, hide_corner=1, screenshot=0.5)
NOTHING = AugmentConfig(rescale=0, codec=0, colour=0, blur_or_noise=0, hide_corner=0, screenshot=0)


def _photo(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=40, deadline=None)
@given(st.integers(16, 300), st.integers(16, 300), st.sampled_from([64, 160]), st.integers(0, 10**6))
def test_every_photo_gives_a_square_view_of_the_size(height, width, size, seed):
    for cut in (crop_view, global_view):
        view = cut(_photo(height, width), size, EVERYTHING, np.random.default_rng(seed))
        assert (view.size, view.mode) == ((size, size), "RGB")


@pytest.mark.parametrize("cut", [crop_view, global_view])
def test_the_same_random_state_gives_the_same_view(cut):
    views = [np.asarray(cut(_photo(200, 260), 96, EVERYTHING, np.random.default_rng(5))) for _ in range(2)]
    assert np.array_equal(*views)


def test_a_crop_without_degradation_is_a_piece_of_the_photo():
    photo = _photo(120, 150)
    view = np.asarray(crop_view(photo, 32, NOTHING, np.random.default_rng(3)))
    pieces = np.lib.stride_tricks.sliding_window_view(photo, (32, 32, 3))[:, :, 0]
    assert any((pieces == candidate).all((2, 3, 4)).any() for candidate in (view, view[:, ::-1]))


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([96, 160, 224]), st.integers(0, 10**6))
def test_a_splice_lies_in_its_rectangle_and_nowhere_else(size, seed):
    black, white = (np.full((300, 260, 3), level, np.uint8) for level in (0, 255))
    view, (left, top, right, bottom) = spliced_view(black, white, size, NOTHING, np.random.default_rng(seed))
    expected = np.zeros((size, size, 3), np.uint8)
    expected[CELL * top : CELL * bottom, CELL * left : CELL * right] = 255
    assert np.array_equal(np.asarray(view), expected)
    assert 0 < (right - left) * (bottom - top) < (size // CELL) ** 2


def test_the_corner_is_covered_and_nothing_else():
    photo = _photo(100, 100)
    region = photo.copy()
    _hide_corner(region, 100, 100, 100)
    assert not np.array_equal(region[89:, 89:], photo[89:, 89:])
    region[89:, 89:] = photo[89:, 89:]
    assert np.array_equal(region, photo)


def test_a_region_away_from_the_corner_is_left_alone():
    photo = _photo(40, 40)
    region = photo.copy()
    _hide_corner(region, 90, 90, 100)
    assert np.array_equal(region, photo)


def test_a_richer_place_is_preferred():
    photo = np.zeros((64, 256, 3), np.uint8)
    photo[:, 192:] = _photo(64, 64)
    views = [np.asarray(crop_view(photo, 64, NOTHING, np.random.default_rng(i))) for i in range(60)]
    touched = sum(view.any() for view in views)
    # One blind draw of a place touches the texture about 33 % of the time, the better of two about 55 %.
    assert touched > 24
