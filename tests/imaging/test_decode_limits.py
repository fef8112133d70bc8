"""Too much, too little and too broken: each has its stable code, and is refused before pixels are decoded."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from src.imaging.decode import ImageLimits, decode
from src.utils.errors import (
    CorruptImage,
    EmptyImage,
    ImageError,
    ImageTooElongated,
    ImageTooLarge,
    ImageTooSmall,
)
from tests.support.pictures import FORMATS, encode, photo_bytes, picture


def png_header_only(width: int, height: int) -> bytes:
    """A PNG that announces a size and has no pixel: whoever decodes it fails in another way."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", b""), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def code_of(data: bytes, **limits: Any) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, ImageLimits(**limits))
    return caught.value.code


def test_nothing_is_an_empty_file() -> None:
    with pytest.raises(EmptyImage):
        decode(b"")
    assert code_of(b"") == "empty_file"


def test_bytes_are_limited() -> None:
    data = photo_bytes()
    assert decode(data, ImageLimits(max_bytes=len(data))).mode == "RGB"
    assert code_of(data, max_bytes=len(data) - 1) == "file_too_large"


@pytest.mark.parametrize("name", FORMATS)
def test_pixels_and_sides_are_limited_in_every_format(name: str) -> None:
    data = photo_bytes(1, (64, 48), name)
    assert decode(data, ImageLimits(max_pixels=64 * 48, max_side=64, min_side=48)).size == (64, 48)
    assert code_of(data, max_pixels=64 * 48 - 1) == "too_many_pixels"
    assert code_of(data, max_side=63) == "side_too_long"
    assert code_of(data, min_side=49) == "image_too_small"


@pytest.mark.parametrize(
    ("size", "code"),
    [
        ((20_001, 50), "side_too_long"),
        ((50, 20_001), "side_too_long"),
        ((10_000, 10_000), "too_many_pixels"),
        ((15_000, 15_000), "too_many_pixels"),  # beyond Pillow's own guard
        ((2**31 - 1, 2**31 - 1), "too_many_pixels"),
        ((1, 1), "image_too_small"),
        ((15, 400), "image_too_small"),
        ((1, 20_000), "image_too_small"),
    ],
)
def test_sizes_are_judged_by_the_header_alone(size: tuple[int, int], code: str) -> None:
    assert code_of(png_header_only(*size)) == code


@pytest.mark.parametrize("size", [(1_000, 62), (62, 1_000), (20_000, 16)])
def test_strips_are_too_elongated(size: tuple[int, int]) -> None:
    assert code_of(png_header_only(*size)) == "too_elongated"
    assert code_of(png_header_only(*size), max_aspect=2_000.0) == "corrupt_image"


def test_the_short_side_must_last_when_the_long_one_is_shrunk() -> None:
    data = photo_bytes(1, (400, 40), "PNG")
    assert decode(data, draft_side=160).size == (400, 40)
    with pytest.raises(ImageTooElongated):
        decode(data, draft_side=159)
    assert decode(photo_bytes(1, (100, 20), "PNG"), draft_side=10_000).size == (100, 20)


def test_a_header_without_pixels_is_corrupt_once_its_size_is_accepted() -> None:
    with pytest.raises(CorruptImage):
        decode(png_header_only(64, 64))


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000)])
def test_real_files_without_area_are_too_small(size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooSmall):
        decode(encode(Image.new("RGB", size), "PNG"))


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_frames_are_limited(name: str) -> None:
    frames = [picture(seed, (32, 32)) for seed in range(4)]
    data = encode(frames[0], name, save_all=True, append_images=frames[1:])
    assert decode(data, ImageLimits(max_frames=4)).size == (32, 32)
    assert code_of(data, max_frames=3) == "too_many_frames"


def test_pages_of_a_big_tiff_are_counted_too() -> None:
    frames = [picture(seed, (32, 32)) for seed in range(3)]
    data = encode(frames[0], "TIFF", save_all=True, append_images=frames[1:], big_tiff=True)
    assert code_of(data, max_frames=2) == "too_many_frames"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files_are_corrupt(name: str, share: float) -> None:
    data = encode(picture(5, (120, 90)), name)
    with pytest.raises(CorruptImage) as caught:
        decode(data[: int(len(data) * share)])
    assert caught.value.code == "corrupt_image"


def test_a_deflate_bomb_costs_no_more_than_its_pixels() -> None:
    bomb = zlib.compress(bytes(50 * 2**20), 9)
    data = png_header_only(64, 64).replace(
        b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")),
        struct.pack(">I", len(bomb)) + b"IDAT" + bomb + struct.pack(">I", zlib.crc32(b"IDAT" + bomb)),
    )
    assert decode(data).size == (64, 64)


def test_limits_are_frozen_and_reject_what_cannot_work() -> None:
    limits = ImageLimits()
    with pytest.raises(ValidationError):
        limits.max_side = 1  # type: ignore[misc]
    for wrong in ({"max_bytes": 0}, {"max_pixels": 10**9}, {"colour": 1}):
        with pytest.raises(ValidationError):
            ImageLimits(**wrong)


def test_messages_name_the_limit() -> None:
    with pytest.raises(ImageTooLarge, match="63 pixels"):
        decode(photo_bytes(1, (64, 48)), ImageLimits(max_side=63))
