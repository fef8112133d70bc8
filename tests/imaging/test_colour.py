"""Every way of storing colour ends as the sRGB that a browser would show on a white page."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from src.imaging.colour import to_srgb
from src.imaging.decode import decode
from src.utils.errors import CorruptImage
from tests.support.pictures import difference, encode, picture
from tests.support.profiles import ADOBE_GAMMA, ADOBE_RGB, cmyk_profile, grey_profile, matrix_profile

# Linear sRGB from XYZ (D50), after Lindbloom.
SRGB_FROM_XYZ = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)


def srgb_curve(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def first_pixel(image: Image.Image) -> NDArray[np.int64]:
    return np.asarray(image)[0, 0].astype(np.int64)


def flat(mode: str, colour: int | float | tuple[int, ...]) -> Image.Image:
    return Image.new(mode, (32, 32), colour)


def ramp16() -> NDArray[np.uint16]:
    return np.linspace(0, 65535, 32 * 32).astype(np.uint16).reshape(32, 32)


@pytest.mark.parametrize(
    ("ink", "expected"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
    ],
)
def test_cmyk_without_profile_is_read_as_plain_inks(ink: tuple[int, ...], expected: tuple[int, ...]) -> None:
    # JPEG holds Adobe's inverted inks (the encoder writes Adobe's marker), TIFF holds them as they are.
    jpeg = encode(flat("CMYK", ink), "JPEG", quality=100)
    assert b"Adobe" in jpeg
    for data in (jpeg, encode(flat("CMYK", ink), "TIFF")):
        assert np.abs(first_pixel(decode(data)) - expected).max() <= 3


def test_cmyk_goes_through_its_press_profile() -> None:
    # On this press cyan prints as a grey of lightness 50, which is 119 in sRGB.
    profile = cmyk_profile(lambda inks: 0.0 if inks[3] else 50.0 if inks[0] else 100.0)
    for name in ("JPEG", "TIFF"):
        result = first_pixel(decode(encode(flat("CMYK", (255, 0, 0, 0)), name, icc_profile=profile)))
        assert np.abs(result - 119).max() <= 3


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(name: str) -> None:
    result = np.asarray(decode(encode(Image.fromarray(ramp16()), name)))
    expected = np.round(ramp16() / 257.0)
    assert np.abs(result - expected[:, :, None]).max() <= 1


def test_big_endian_16_bit_tiff_is_scaled() -> None:
    image = Image.fromarray(ramp16().astype(">u2"))
    assert image.mode == "I;16B"
    result = np.asarray(decode(encode(image, "TIFF")))
    assert np.abs(result[:, :, 0] - ramp16() / 257.0).max() <= 1


def test_16_bit_grey_where_white_is_zero_is_inverted() -> None:
    data = encode(Image.fromarray(ramp16()), "TIFF", tiffinfo={262: 0})
    assert np.abs(np.asarray(decode(data))[:, :, 0] - (255 - ramp16() / 257.0)).max() <= 1


def test_12_bit_grey_is_scaled_by_its_own_depth() -> None:
    # Two samples of 12 bits in three bytes: 0xFFF is white, 0x800 the middle.
    row = bytes((0xFF, 0xF8, 0x00)) * 16
    result = np.asarray(decode(raw_tiff(row * 32, bits=(12,), photometric=1)))
    assert tuple(result[0, :2, 0]) == (255, 128)


def test_16_bit_rgb_keeps_its_upper_bytes() -> None:
    levels = (0, 257, 128 * 257, 65535)
    pixels = b"".join(struct.pack("<3H", level, 65535 - level, 0) for level in levels) * (32 * 8)
    result = np.asarray(decode(raw_tiff(pixels, bits=(16, 16, 16), photometric=2)))
    assert [tuple(pixel) for pixel in result[0, :4]] == [(0, 255, 0), (1, 254, 0), (128, 127, 0), (255, 0, 0)]


def raw_tiff(pixels: bytes, bits: tuple[int, ...], photometric: int) -> bytes:
    """An uncompressed little-endian TIFF of 32 x 32 samples, for depths that Pillow cannot write."""
    start = 8 + 2 + 10 * 12 + 4
    extra = struct.pack(f"<{len(bits)}H", *bits)
    depth = (258, 3, len(bits), bits[0] if len(bits) == 1 else start)
    entries: Iterable[tuple[int, int, int, int]] = [
        (256, 3, 1, 32),
        (257, 3, 1, 32),
        depth,
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, start + len(extra)),
        (277, 3, 1, len(bits)),
        (278, 3, 1, 32),
        (279, 4, 1, len(pixels)),
        (284, 3, 1, 1),
    ]
    directory = struct.pack("<H", 10) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + extra + pixels


@pytest.mark.parametrize(("peak", "scale"), [(1.0, 255.0), (255.0, 1.0), (65535.0, 1 / 257), (10**6, 255e-6)])
def test_float_grey_is_scaled_by_the_smallest_usual_range(peak: float, scale: float) -> None:
    values = np.linspace(0, peak, 32 * 32, dtype=np.float32).reshape(32, 32)
    result = np.asarray(decode(encode(Image.fromarray(values), "TIFF")))
    assert np.abs(result[:, :, 0] - values * scale).max() <= 1


def test_float_grey_without_numbers_is_black() -> None:
    values = np.full((32, 32), np.nan, dtype=np.float32)
    values[0, 0] = np.inf
    assert not np.asarray(decode(encode(Image.fromarray(values), "TIFF"))).any()


def test_32_bit_grey_is_scaled_not_clipped() -> None:
    values = ramp16().astype(np.int32)
    result = np.asarray(decode(encode(Image.fromarray(values), "TIFF")))
    assert np.abs(result[:, :, 0] - values / 257.0).max() <= 1


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (200, 0, 0, 0)), ("LA", (30, 0))])
def test_transparent_parts_are_white(mode: str, colour: tuple[int, ...]) -> None:
    assert tuple(first_pixel(decode(encode(flat(mode, colour), "PNG")))) == (255, 255, 255)


def test_half_transparent_parts_are_mixed_with_white() -> None:
    result = first_pixel(decode(encode(flat("RGBA", (255, 0, 0, 128)), "PNG")))
    assert np.abs(result - (255, 127, 127)).max() <= 1
    premultiplied = to_srgb(flat("RGBA", (255, 0, 0, 128)).convert("RGBa"))
    assert np.abs(first_pixel(premultiplied) - (255, 127, 127)).max() <= 1
    grey = to_srgb(flat("LA", (0, 128)).convert("La"))
    assert np.abs(first_pixel(grey) - 127).max() <= 1


@pytest.mark.parametrize("name", ["PNG", "GIF"])
def test_transparent_palette_entries_are_white(name: str) -> None:
    image = flat("P", 3)
    image.putpalette([value for index in range(256) for value in (index, 0, 255 - index)])
    image.putpixel((5, 5), 7)
    result = decode(encode(image, name, transparency=3))
    assert result.getpixel((0, 0)) == (255, 255, 255)
    assert result.getpixel((5, 5)) == (7, 0, 248)


def test_palette_with_alpha_for_each_entry_is_mixed() -> None:
    image = flat("P", 1)
    image.putpalette([0, 0, 0] * 2)
    result = first_pixel(decode(encode(image, "PNG", transparency=bytes((255, 128)))))
    assert np.abs(result - 127).max() <= 1


def test_a_transparent_colour_is_white_in_grey_rgb_and_deep_pictures() -> None:
    deep = Image.fromarray(np.full((32, 32), 1000, dtype=np.uint16))
    for image, colour in (
        (flat("L", 9), 9),
        (flat("RGB", (9, 8, 7)), (9, 8, 7)),
        (deep, 1000),
    ):
        assert tuple(first_pixel(decode(encode(image, "PNG", transparency=colour)))) == (255, 255, 255)


def test_a_transparent_colour_stated_in_16_bits_is_understood() -> None:
    image = flat("RGB", (9, 8, 7))
    image.info["transparency"] = (9 * 257, 8 * 257, 7 * 257)
    assert tuple(first_pixel(to_srgb(image))) == (255, 255, 255)


@pytest.mark.parametrize("name", ["PNG", "TIFF", "BMP"])
def test_bilevel_pictures_are_black_and_white(name: str) -> None:
    image = flat("1", 1)
    image.putpixel((4, 4), 0)
    result = decode(encode(image, name))
    assert result.getpixel((0, 0)) == (255, 255, 255)
    assert result.getpixel((4, 4)) == (0, 0, 0)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_profile_other_than_srgb_is_converted(name: str) -> None:
    colour = (180, 120, 90)
    linear = (np.array(colour) / 255) ** ADOBE_GAMMA
    expected = srgb_curve(SRGB_FROM_XYZ @ (np.array(ADOBE_RGB).T @ linear))
    assert np.abs(expected - colour).max() > 8
    options = {"lossless": True} if name == "WEBP" else {}
    data = encode(flat("RGB", colour), name, icc_profile=matrix_profile(), **options)
    assert np.abs(first_pixel(decode(data)) - expected).max() <= 2


def test_a_profile_is_applied_to_palettes_and_below_alpha() -> None:
    colour = (180, 120, 90)
    expected = first_pixel(decode(encode(flat("RGB", colour), "PNG", icc_profile=matrix_profile())))
    see_through = flat("RGBA", (*colour, 128))
    result = first_pixel(decode(encode(see_through, "PNG", icc_profile=matrix_profile())))
    assert np.abs(result - (expected * 128 + 255 * 127) / 255).max() <= 1
    palette = flat("P", 0)
    palette.putpalette(list(colour))
    assert tuple(first_pixel(decode(encode(palette, "PNG", icc_profile=matrix_profile())))) == tuple(expected)


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_grey_profile_is_converted(mode: str) -> None:
    colour = 100 if mode == "L" else (100, 255)
    expected = srgb_curve(np.array((100 / 255) ** 1.0))
    result = first_pixel(decode(encode(flat(mode, colour), "PNG", icc_profile=grey_profile(1.0))))
    assert np.abs(result - expected).max() <= 2


def test_an_rgb_profile_on_a_grey_photo_is_converted() -> None:
    result = first_pixel(decode(encode(flat("L", 100), "JPEG", icc_profile=matrix_profile(gamma=1.0))))
    assert np.abs(result - srgb_curve(np.array(100 / 255))).max() <= 3


def test_an_srgb_profile_leaves_every_pixel_as_it_is() -> None:
    image = picture(21)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decode(encode(image, "PNG", icc_profile=profile)).tobytes() == image.tobytes()


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile at all",
        matrix_profile()[:200],
        matrix_profile()[:128] + b"\xff" * 400,
        grey_profile(1.0),
        cmyk_profile(lambda corner: 0.0),
    ],
    ids=["text", "cut", "scrambled", "grey", "press"],
)
@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_profile_that_is_broken_or_of_another_space_is_ignored(name: str, profile: bytes) -> None:
    image = picture(22)
    assert decode(encode(image, name, icc_profile=profile)).tobytes() == decode(encode(image, name)).tobytes()


def test_lab_pictures_are_converted() -> None:
    image = flat("LAB", (128, 128, 128))
    result = first_pixel(decode(encode(image, "TIFF")))
    assert np.abs(result - 119).max() <= 3


def test_subsampled_and_progressive_jpegs_look_the_same() -> None:
    image = picture(23, (128, 96))
    baseline = decode(encode(image, "JPEG", quality=90))
    assert difference(baseline, decode(encode(image, "JPEG", quality=90, progressive=True))) == 0
    assert difference(baseline, decode(encode(image, "JPEG", quality=90, subsampling="4:4:4"))) < 12


def test_a_mode_that_cannot_become_rgb_is_a_corrupt_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Image.Image, factor: int) -> Image.Image:
        raise ValueError("conversion not supported")

    monkeypatch.setattr("src.imaging.decode.to_srgb", fail)
    with pytest.raises(CorruptImage):
        decode(encode(picture(), "PNG"))


def test_the_result_can_be_saved_again_without_the_old_profile() -> None:
    result = decode(encode(picture(24), "PNG", icc_profile=matrix_profile()))
    assert b"ICCP" not in encode(result, "WEBP")
