"""Small files that would keep a decoder busy for minutes are refused at once; honest ones pass."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image

from src.imaging.decode import decode
from src.imaging.structure import survey
from src.utils.errors import CorruptImage, UnsupportedImage
from tests.support.patience import computing_within
from tests.support.pictures import encode, picture


def jpeg_of_many_segments() -> bytes:
    data = encode(picture(), "JPEG")
    return data[:2] + b"\xff\xe5\x00\x02" * 500_000 + data[2:]


def jpeg_of_many_exif_segments() -> bytes:
    data = encode(picture(), "JPEG")
    return data[:2] + (b"\xff\xe1\x00\x09Exif\0\0a") * 200_000 + data[2:]


def jpeg_of_many_scans() -> bytes:
    data = encode(picture(1, (256, 256)).convert("L"), "JPEG", progressive=True)
    last_scan = data[data.rfind(b"\xff\xc4") : -2]
    return data[:-2] + last_scan * 5_000 + data[-2:]


def png_of_many_chunks() -> bytes:
    data = encode(picture(), "PNG")
    at = data.index(b"IDAT") - 4
    return (
        data[:at]
        + (struct.pack(">I", 0) + b"abCd" + struct.pack(">I", zlib.crc32(b"abCd"))) * 200_000
        + data[at:]
    )


def gif_of_many_blocks() -> bytes:
    data = encode(picture().convert("P"), "GIF")
    start = 13 + 3 * (2 << (data[10] & 7))
    return data[:start] + b"\x21\xfe" + b"\x01a" * 600_000 + b"\0" + data[start:]


def tiff_of_many_strips() -> bytes:
    count, start = 400_000, 200
    entries = [
        (256, 3, 1, 64),
        (257, 3, 1, 64),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, count, start),
        (277, 3, 1, 1),
        (278, 3, 1, 1),
        (279, 4, count, start),
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (b"II*\0" + struct.pack("<I", 8) + directory).ljust(start, b"\0") + b"\x10\0\0\0" * count


def tiff_of_many_tags() -> bytes:
    return b"MM\0*" + struct.pack(">IH", 8, 5_000) + bytes(12 * 5_000 + 4)


@pytest.mark.parametrize(
    "make",
    [
        jpeg_of_many_segments,
        jpeg_of_many_exif_segments,
        jpeg_of_many_scans,
        png_of_many_chunks,
        gif_of_many_blocks,
        tiff_of_many_strips,
        tiff_of_many_tags,
    ],
    ids=lambda make: make.__name__,
)
def test_absurd_containers_are_refused_at_once(make) -> None:
    data = make()
    with computing_within(5), pytest.raises(CorruptImage, match="absurd"):
        decode(data)


def test_large_run_length_bmps_are_refused() -> None:
    pixels = b"\x01\x05" * (2**21 + 1_000)
    head = b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54)
    head += struct.pack("<IiiHHIIiiII", 40, 1_000, 2_098, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    with pytest.raises(UnsupportedImage):
        decode(head + pixels)


def test_counting_stops_soon_after_the_limit() -> None:
    data = encode(Image.new("L", (16, 16)), "GIF")
    start = 13 + 3 * (2 << (data[10] & 7))
    frame = data[data.index(b"\x2c", start) : -1]
    assert survey(data[:-1] + frame * 50 + b";", "GIF", 1_000) == 51
    assert survey(data[:-1] + frame * 50 + b";", "GIF", 10) == 11


def test_gif_frames_are_counted_past_stray_bytes_and_local_palettes() -> None:
    frames = [picture(seed, (20, 20)).quantize(32) for seed in range(3)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=1)
    assert survey(data, "GIF", 10) == 3
    start = 13 + 3 * (2 << (data[10] & 7))
    assert survey(data[:start] + b"\x99\x98" + data[start:], "GIF", 10) == 3


def test_tiff_directories_that_point_in_a_circle_end() -> None:
    directory = struct.pack("<HHHII", 1, 256, 3, 1, 64)
    assert survey(b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 8), "TIFF", 100) == 1


@pytest.mark.parametrize(
    "data", [b"II*\0", b"II*\0\xff\xff\xff\xff", b"II+\0" + b"\xff" * 12, b"MM\0*\0\0\0\x08\0\x05"]
)
def test_tiff_directories_outside_the_file_are_left_to_the_decoder(data: bytes) -> None:
    assert survey(data, "TIFF", 100) == 1


@pytest.mark.parametrize(
    "data", [b"GIF89a", b"GIF89a" + b"\x01\0\x01\0\x80\0\0", b"GIF89a" + bytes(7) + b"\x2c"]
)
def test_cut_gifs_are_left_to_the_decoder(data: bytes) -> None:
    assert survey(data, "GIF", 100) == 1


def test_a_second_picture_behind_the_end_of_a_jpeg_is_not_walked() -> None:
    data = encode(picture(), "JPEG", progressive=True)
    assert decode(data + data * 20).tobytes() == decode(data).tobytes()
