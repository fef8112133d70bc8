"""The overlay shows the photo, upright and in its own shape, and heat where the heatmap has it."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from src.imaging.decode import ImageLimits
from src.inference.overlay import MAX_SIDE, overlay_png, paint
from src.utils.errors import CorruptImage, ImageTooLarge
from tests.support.pictures import encode, picture

COLD = [[0.0] * 8 for _ in range(8)]
HOT = [[1.0] * 8 for _ in range(8)]


def redness(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image).astype(np.float64)
    return pixels[..., 0] - pixels[..., 2]


def test_heat_lies_where_the_heatmap_has_it():
    corner = [row[:] for row in COLD]
    corner[0][7] = corner[1][7] = corner[0][6] = corner[1][6] = 1.0
    grey = Image.new("RGB", (320, 160), (128, 128, 128))
    heat = redness(paint(grey, corner))
    assert heat[:30, 290:].mean() > 80
    assert heat[80:, :160].max() == 0


def test_no_heat_leaves_the_photo_to_be_seen_without_its_colours():
    photo = picture(3, (200, 120))
    calm = np.asarray(paint(photo, COLD)).astype(np.float64)
    grey = np.asarray(photo.convert("L")).astype(np.float64)
    assert abs(calm.mean(axis=2) - grey).mean() < 8
    assert np.corrcoef(calm.mean(axis=2).ravel(), grey.ravel())[0, 1] > 0.98


def test_the_photo_shows_through_the_greatest_heat():
    photo = picture(3, (200, 120))
    hot = np.asarray(paint(photo, HOT).convert("L")).astype(np.float64)
    grey = np.asarray(photo.convert("L")).astype(np.float64)
    assert np.corrcoef(hot.ravel(), grey.ravel())[0, 1] > 0.95


@pytest.mark.parametrize(
    ("size", "expected"), [((100, 50), (100, 50)), ((3000, 1500), (MAX_SIDE, MAX_SIDE // 2))]
)
def test_a_large_photo_is_shrunk_and_a_small_one_never_enlarged(size, expected):
    assert paint(picture(1, size), HOT).size == expected


def test_the_overlay_is_upright():
    photo = encode(picture(1, (100, 50)), "JPEG", exif=_turned())
    with Image.open(BytesIO(overlay_png(photo, COLD))) as image:
        assert (image.format, image.size) == ("PNG", (50, 100))


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.lists(st.lists(st.floats(0, 1), min_size=8, max_size=8), min_size=8, max_size=8),
)
def test_any_heatmap_fits_any_photo(size, heatmap):
    assert paint(Image.new("RGB", size, (9, 200, 90)), heatmap).size == size


def test_limits_and_damage_are_typed_errors():
    photo = encode(picture(1))
    with pytest.raises(ImageTooLarge):
        overlay_png(photo, COLD, ImageLimits(max_pixels=100))
    with pytest.raises(CorruptImage):
        overlay_png(photo[: len(photo) // 2], COLD)
