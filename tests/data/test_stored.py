"""The stored form follows its recipe for every original."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from src.data.facts import open_facts
from src.data.layout import original_path, stored_path
from src.data.stored import derive_stored, stored_form
from src.utils.errors import CorruptImage
from tests.data.builders import photo, record
from tests.support.pictures import encode, picture


@pytest.mark.parametrize(
    ("size", "expected"), [((1248, 832), (512, 341)), ((300, 2000), (77, 512)), ((200, 100), (200, 100))]
)
def test_long_side_is_512_at_most_and_nothing_is_enlarged(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    facts = open_facts(stored_form(encode(picture(1, size), "PNG")))
    assert (facts.width, facts.height) == expected
    assert (facts.format, facts.quality, facts.has_exif, facts.has_icc) == ("JPEG", 85, False, False)


def test_orientation_is_applied_and_alpha_lies_on_white() -> None:
    exif = Image.Exif()
    exif[274] = 6
    facts = open_facts(stored_form(encode(picture(1, (80, 40)), "JPEG", exif=exif)))
    assert (facts.width, facts.height) == (40, 80)
    clear = Image.open(BytesIO(stored_form(encode(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG"))))
    assert clear.getpixel((20, 20)) == (255, 255, 255)


def test_jpeg2000_original_has_a_stored_form() -> None:
    assert open_facts(stored_form(encode(picture(1, (64, 64)), "JPEG2000"))).format == "JPEG"


def test_only_a_missing_stored_form_is_derived(tmp_path: Path) -> None:
    made = photo(tmp_path, 1)
    assert not derive_stored(made, tmp_path)
    stored_path(made, tmp_path).unlink()
    assert derive_stored(made, tmp_path)
    assert stored_path(made, tmp_path).is_file()
    assert not derive_stored(record("elsewhere"), tmp_path)


def test_damaged_original_leaves_nothing_behind(tmp_path: Path) -> None:
    made = photo(tmp_path, 1)
    stored_path(made, tmp_path).unlink()
    original_path(made, tmp_path).write_bytes(original_path(made, tmp_path).read_bytes()[:200])
    with pytest.raises(CorruptImage):
        derive_stored(made, tmp_path)
    assert not list(stored_path(made, tmp_path).parent.iterdir())
