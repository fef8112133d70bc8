from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from src.imaging.views import (
    combine_logits,
    crop_corners,
    cut_square,
    detail,
    limit_side,
    make_views,
    normalise,
)
from src.utils.model_card import ViewPlan
from tests.support.pictures import picture

MEAN = STD = (0.5, 0.5, 0.5)
PLAN = ViewPlan(max_side=256, global_sizes=(64, 48), crop_size=48, crops=3)


def _noise(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@settings(max_examples=60, deadline=None)
@given(st.integers(16, 400), st.integers(16, 400), st.integers(0, 6))
def test_every_photo_gives_the_planned_views(width, height, crops):
    plan = PLAN.model_copy(update={"crops": crops})
    views = make_views(picture(1, (width, height)), plan, MEAN, STD)
    assert len(views.global_views) == 2
    for view, size in zip(views.global_views, plan.global_sizes, strict=True):
        assert view.shape[:2] == (1, 3)
        assert view.shape[2] % 32 == view.shape[3] % 32 == 0
        assert np.abs(view).max() <= 1
        if max(width, height) <= 2 * min(width, height):
            assert 0.5 * size**2 <= view.shape[2] * view.shape[3] <= 2 * size**2
    assert views.crops.shape[1:] == (3, 48, 48)
    assert len(views.crops) == len(views.crop_boxes) <= crops
    assert views.global_views[0].dtype == views.crops.dtype == np.float32
    for x0, y0, x1, y1 in views.crop_boxes:
        assert 0 <= x0 < x1 <= 1 + 1e-9
        assert 0 <= y0 < y1 <= 1 + 1e-9


def test_a_crop_shows_the_pixels_of_its_box_unchanged():
    image = _noise(200, 100)
    views = make_views(image, PLAN, (0, 0, 0), (1, 1, 1))
    for crop, (x0, y0, x1, y1) in zip(views.crops, views.crop_boxes, strict=True):
        box = tuple(round(v) for v in (x0 * 200, y0 * 100, x1 * 200, y1 * 100))
        expected = np.asarray(image.crop(box), np.float32).transpose(2, 0, 1) / 255
        assert np.allclose(crop, expected, atol=1e-6)


def test_crops_look_at_the_product_not_at_the_blank_ground():
    image = Image.new("RGB", (192, 192), "white")
    image.paste(_noise(48, 48), (144, 96))
    assert crop_corners(image, 48, 1) == [(144, 96)]


@settings(max_examples=40, deadline=None)
@given(st.integers(48, 300), st.integers(48, 300))
def test_the_cells_cover_the_whole_photo(width, height):
    covered = np.zeros((height, width), bool)
    for left, top in crop_corners(Image.new("RGB", (width, height)), 48, 10_000):
        assert 0 <= left <= width - 48
        assert 0 <= top <= height - 48
        covered[top : top + 48, left : left + 48] = True
    assert covered.all()


def test_a_large_photo_is_capped_and_a_small_one_never_enlarged():
    assert limit_side(_noise(600, 300), 256).size == (256, 128)
    small = _noise(100, 80)
    assert limit_side(small, 256) is small


def test_a_square_is_cut_where_it_was_asked_for():
    image = _noise(90, 70)
    assert np.array_equal(cut_square(image, 10, 5, 32, 32), np.asarray(image)[5:37, 10:42])
    assert cut_square(image, 0.5, 0, 64, 32).size == (32, 32)


def test_detail_is_nothing_on_paper_and_much_on_noise():
    assert detail(np.full((20, 20), 255, np.uint8)) == 0
    assert detail(np.zeros((1, 1), np.uint8)) == 0
    assert detail(np.asarray(_noise(20, 20).convert("L"))) > 30


def test_normalising_is_the_arithmetic_of_the_formula_bit_for_bit():
    image = picture(5, (70, 50))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    pixels = np.asarray(image, np.float32) / np.float32(255)
    expected = (pixels - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    array = normalise(image, mean, std)
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, expected.transpose(2, 0, 1))


def test_normalisation_is_by_channel():
    image = Image.new("RGB", (4, 2), (255, 0, 51))
    array = normalise(image, (0.5, 0.0, 0.2), (0.5, 1.0, 0.1))
    assert array.shape == (3, 2, 4)
    assert array[:, 0, 0] == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)


def test_logits_are_weighted_by_the_plan():
    plan = PLAN.model_copy(update={"global_weight": 0.25})
    assert combine_logits(plan, 4.0, [0.0, 2.0]) == pytest.approx(0.25 * 4 + 0.75 * 1)
    assert combine_logits(plan, 4.0, []) == 4.0


def test_a_global_view_shows_the_whole_photo_upright():
    image = Image.new("RGB", (300, 100), "white")
    image.paste("black", (270, 0, 300, 100))
    (view,) = make_views(
        image, PLAN.model_copy(update={"global_sizes": (128,)}), (0, 0, 0), (1, 1, 1)
    ).global_views
    assert view.shape == (1, 3, 64, 224)
    assert view[..., : 224 * 8 // 10].min() > 0.99
    assert view[..., 224 * 95 // 100 :].max() < 0.01


def test_an_elongated_photo_keeps_at_least_two_places_a_side():
    (view,) = make_views(
        _noise(320, 20), PLAN.model_copy(update={"global_sizes": (64,)}), MEAN, STD
    ).global_views
    assert view.shape == (1, 3, 64, 256)
