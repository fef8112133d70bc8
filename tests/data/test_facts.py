"""Facts are read from headers, for every codec, and damaged headers are typed errors."""

import math
from typing import Any

import pytest
from PIL import Image

from src.data.facts import open_facts
from src.utils.errors import CorruptImage, EmptyImage, UnsupportedImage
from tests.support.pictures import encode, picture


@pytest.mark.parametrize("quality", [20, 30, 50, 60, 75, 85, 90, 95])
def test_jpeg_quality_is_recovered(quality: int) -> None:
    assert open_facts(encode(picture(), "JPEG", quality=quality)).quality == quality


@pytest.mark.parametrize(("option", "name"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_chroma_subsampling(option: int, name: str) -> None:
    assert open_facts(encode(picture(), "JPEG", subsampling=option)).subsampling == name


def test_greyscale_jpeg_has_no_chroma() -> None:
    assert open_facts(encode(picture().convert("L"), "JPEG")).subsampling == ""


def test_jpeg_facts() -> None:
    exif = Image.Exif()
    exif[271] = "a camera"
    data = encode(picture(size=(80, 40)), "JPEG", progressive=True, exif=exif, icc_profile=b"profile")
    facts = open_facts(data)
    assert (facts.format, facts.width, facts.height, facts.bytes) == ("JPEG", 80, 40, len(data))
    assert facts.bytes_per_pixel == pytest.approx(len(data) / 3200)
    assert facts.progressive
    assert facts.has_exif
    assert facts.has_icc
    assert facts.quant_mean is not None


def test_tables_are_told_apart_by_their_hash() -> None:
    first, again, other = (
        open_facts(encode(picture(seed), "JPEG", quality=q)) for seed, q in ((1, 75), (2, 75), (1, 76))
    )
    assert first.quant_hash == again.quant_hash != other.quant_hash


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats_have_no_tables(kind: str) -> None:
    facts = open_facts(encode(picture(), kind))
    assert (facts.format, facts.quality, facts.quant_hash, facts.quant_mean) == (kind, None, "", None)
    assert math.isnan(facts.numbers()["quality"])


def test_numbers_are_all_floats_and_the_same_for_every_format() -> None:
    rows = [open_facts(encode(picture(), kind)).numbers() for kind in ("JPEG", "PNG", "WEBP")]
    assert rows[0].keys() == rows[1].keys() == rows[2].keys()
    assert all(isinstance(value, float) for row in rows for value in row.values())
    assert [row["is_png"] for row in rows] == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyImage),
        (b"a text, no image", UnsupportedImage),
        (encode(picture(), "PNG")[:20], CorruptImage),
    ],
)
def test_bad_files_are_typed_errors(data: bytes, error: type[Any]) -> None:
    with pytest.raises(error):
        open_facts(data)
