"""Every supported format gives its pixels back, by its bytes alone."""

from __future__ import annotations

import contextlib
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, features

from src.imaging import decode as module
from src.imaging.decode import SUPPORTED_FORMATS, ImageLimits, decode, sniff_format
from src.utils.errors import ImageError, ImageTooLarge, UnsupportedImage
from tests.support.pictures import FORMATS, LOSSLESS, difference, encode, picture

sizes = st.tuples(st.integers(16, 70), st.integers(16, 70))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), size=sizes, name=st.sampled_from(sorted(LOSSLESS)))
def test_lossless_formats_give_the_same_pixels(seed: int, size: tuple[int, int], name: str) -> None:
    image = picture(seed, size)
    assert decode(encode(image, name, **LOSSLESS[name])).tobytes() == image.tobytes()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_recognised_and_decoded(name: str) -> None:
    if name == "AVIF" and not features.check("avif"):
        assert name not in SUPPORTED_FORMATS
        return
    image = picture(7, (80, 60))
    options = {"quality": 95} if name in ("JPEG", "WEBP", "AVIF") else {}
    data = encode(image.quantize(256) if name == "GIF" else image, name, **options)
    assert sniff_format(data) == name
    result = decode(data)
    assert result.mode == "RGB"
    assert result.size == image.size
    assert difference(result, image) < 12


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "TIFF"])
def test_only_the_first_frame_is_read(name: str) -> None:
    red, blue = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))
    options = {"lossless": True} if name == "WEBP" else {}
    data = encode(red, name, save_all=True, append_images=[blue], **options)
    assert decode(data).getpixel((5, 5)) == (255, 0, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"this is a photo, believe me",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7 ...",
        b"\x00" * 100,
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
        b"\xff",
    ],
)
def test_other_files_are_unsupported_whatever_they_are_called(data: bytes) -> None:
    with pytest.raises(UnsupportedImage) as caught:
        decode(data)
    assert caught.value.code == "unsupported_format"


def test_a_heic_without_content_is_refused_with_or_without_the_plugin() -> None:
    with pytest.raises(ImageError) as caught:
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    expected = "corrupt_image" if "HEIF" in module.SUPPORTED_FORMATS else "unsupported_format"
    assert caught.value.code == expected


def test_formats_that_pillow_knows_but_nobody_sends_stay_shut() -> None:
    with pytest.raises(UnsupportedImage):
        decode(encode(picture(), "PPM"))
    with pytest.raises(UnsupportedImage):
        decode(encode(picture(), "ICO"))


@pytest.mark.parametrize(
    ("brands", "expected"),
    [
        (b"avif\0\0\0\0mif1miaf", "AVIF"),
        (b"mif1\0\0\0\0mif1avif", "AVIF"),
        (b"heic\0\0\0\0mif1heic", "HEIF"),
        (b"mif1\0\0\0\0mif1heic", "HEIF"),
        (b"isom\0\0\0\0isomavc1", None),
    ],
)
def test_brands_tell_avif_from_heic(brands: bytes, expected: str | None) -> None:
    assert sniff_format(b"\0\0\0\x18ftyp" + brands + bytes(8)) == expected


def test_heic_is_read_where_the_plugin_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    plugin = ModuleType("pi_heif")
    plugin.register_heif_opener = lambda: calls.append("registered")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pi_heif", plugin)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: plugin)
    assert "HEIF" in module._supported_formats()
    assert calls == ["registered"]


def test_heic_is_read_within_the_limits_and_damaged_ones_are_refused() -> None:
    image = picture(3, (160, 96))
    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, quality=95)
    data = stream.getvalue()
    assert sniff_format(data) == "HEIF"
    decoded = decode(data)
    assert (decoded.mode, decoded.size) == ("RGB", (160, 96))
    assert difference(decoded, image) < 8
    with pytest.raises(ImageTooLarge, match="pixels"):
        decode(data, ImageLimits(max_pixels=1_000))
    assert "HEIF" in SUPPORTED_FORMATS
    generator = np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(data[: generator.integers(20, len(data) + 1)])
        for place in generator.integers(12, len(damaged), 3):
            damaged[place] = generator.integers(256)
        with contextlib.suppress(ImageError):  # nothing else may come out
            decode(bytes(damaged))


def test_heic_is_left_out_where_the_plugin_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert "HEIF" not in module._supported_formats()


def test_the_result_is_bound_to_no_file_and_carries_no_metadata() -> None:
    exif = Image.Exif()
    exif[271] = "a camera"
    result = decode(encode(picture(), "JPEG", exif=exif, comment=b"note"))
    assert not isinstance(result, ImageFile.ImageFile)
    assert result.info == {}


def test_draft_halves_a_jpeg_only_while_twice_the_needed_side_is_left() -> None:
    data = encode(picture(3, (800, 400)), "JPEG", quality=95)
    assert decode(data).size == (800, 400)
    assert decode(data, draft_side=401).size == (800, 400)
    assert decode(data, draft_side=200).size == (400, 200)
    assert decode(data, draft_side=100).size == (200, 100)
    assert decode(data, draft_side=50).size == (100, 50)
    small = picture(3, (800, 400)).resize((400, 200), Image.Resampling.BOX)
    assert difference(decode(data, draft_side=200), small) < 4


def test_other_formats_are_averaged_to_a_whole_fraction_when_they_are_huge() -> None:
    image = picture(3, (6_200, 401))
    data = encode(image, "PNG", compress_level=1)
    for draft_side, factor in ((None, 1), (1_551, 1), (1_550, 2), (1_033, 3), (256, 3)):
        assert decode(data, draft_side=draft_side).tobytes() == image.reduce(factor).tobytes()
    below = picture(3, (4_095, 300))
    assert decode(encode(below, "PNG", compress_level=1), draft_side=256).tobytes() == below.tobytes()


def test_threads_decode_at_the_same_time_with_the_same_result() -> None:
    files = [encode(picture(seed, (120, 90)), name) for seed in range(4) for name in ("JPEG", "PNG", "WEBP")]
    alone = [np.asarray(decode(data)) for data in files]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda data: np.asarray(decode(data)), files * 3))
    assert all(np.array_equal(image, alone[index % len(files)]) for index, image in enumerate(together))
