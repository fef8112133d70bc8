"""Photos come out upright for all eight EXIF orientations, and damaged EXIF does no harm."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from src.imaging.decode import decode
from tests.support.pictures import LOSSLESS, difference, encode, picture

Pixels = NDArray[np.uint8]

# How the upright picture lies in the file (EXIF 2.3, tag 274), written without Pillow's own constants.
STORED: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


def stored(upright: Image.Image, orientation: int) -> tuple[Image.Image, Image.Exif]:
    exif = Image.Exif()
    exif[274] = orientation
    return Image.fromarray(np.ascontiguousarray(STORED[orientation](np.asarray(upright)))), exif


@pytest.mark.parametrize("orientation", sorted(STORED))
@pytest.mark.parametrize("name", ["PNG", "TIFF", "WEBP"])
def test_lossless_photos_come_out_upright(name: str, orientation: int) -> None:
    upright = picture(11, (50, 34))
    image, exif = stored(upright, orientation)
    assert decode(encode(image, name, exif=exif, **LOSSLESS[name])).tobytes() == upright.tobytes()


@pytest.mark.parametrize("orientation", sorted(STORED))
def test_jpegs_come_out_upright(orientation: int) -> None:
    upright = picture(12, (64, 48))
    image, exif = stored(upright, orientation)
    result = decode(encode(image, "JPEG", exif=exif, quality=98, subsampling=0))
    assert difference(result, upright) < 3


def test_a_drafted_jpeg_is_turned_too() -> None:
    image, exif = stored(picture(12, (640, 320)), 6)
    assert decode(encode(image, "JPEG", exif=exif), draft_side=100).size == (320, 160)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientations_that_do_not_exist_are_ignored(orientation: int) -> None:
    image = picture(13, (40, 30))
    exif = Image.Exif()
    exif[274] = orientation
    assert decode(encode(image, "PNG", exif=exif)).tobytes() == image.tobytes()


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0not a directory at all",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0abc\0\0\0\0\0",
    ],
)
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_does_not_spoil_a_good_photo(name: str, exif: bytes) -> None:
    image = picture(14, (40, 30))
    options = LOSSLESS.get(name, {})
    assert decode(encode(image, name, exif=exif, **options)).size == image.size
