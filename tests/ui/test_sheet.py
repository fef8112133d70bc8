"""The evidence sheet, and the small pictures that the page shows."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, datetime

import pytest
from PIL import Image

from src.client import Origin
from src.ui import preview
from src.ui.sheet import as_json, sheet
from src.ui.sheet_pdf import as_pdf
from src.ui.strings import inspect as text
from tests.support.pictures import FORMATS, difference, encode, photo_bytes, picture
from tests.ui.fakes import STRONG, FakeService, prediction

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PHOTO = photo_bytes(1, (200, 150))


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    return Image.open(io.BytesIO(data))


def test_the_sheet_holds_what_was_judged_and_what_was_said() -> None:
    explained = FakeService().explain(PHOTO)
    facts = json.loads(as_json(sheet(prediction(), explained, name="mug.jpg", photo=PHOTO, when=WHEN)))
    assert facts["photo"] == {
        "name": "mug.jpg",
        "bytes": len(PHOTO),
        "sha256": hashlib.sha256(PHOTO).hexdigest(),
    }
    assert facts["verdict"]["probability"] == 0.93
    assert facts["verdict"]["provenance"]["basis"] == "pixels"
    assert len(facts["heatmap"]) == 8
    assert facts["caveat"] == text.SHEET_CAVEAT
    assert facts["created_at"] == "2026-01-02T03:04:05+00:00"


def test_a_sheet_without_a_photo_says_so() -> None:
    facts = sheet(prediction(), None, name="https://a.example/1.jpg", photo=None, when=WHEN)
    assert facts["photo"]["sha256"] is None
    assert facts["heatmap"] is None


@pytest.mark.parametrize("name", ["mug.jpg", "Кружка ☕ “grün”.jpg"])
@pytest.mark.parametrize("with_pictures", [True, False])
def test_a_sheet_can_be_printed_whatever_the_file_is_called(name, with_pictures) -> None:
    origin = Origin(
        label="ai_generated", basis="pixels_and_provenance", needs_review=False, signals=(STRONG,) * 12
    )
    found = prediction(provenance=origin)
    facts = sheet(found, None, name=name, photo=PHOTO, when=WHEN)
    shown = preview.preview(PHOTO) if with_pictures else None
    overlay = photo_bytes(5, (60, 40), "PNG") if with_pictures else None
    pdf = as_pdf(facts, found, picture=shown, overlay=overlay, when=WHEN)
    assert pdf.startswith(b"%PDF-")
    assert (pdf.count(b"/Subtype /Image") >= 2) is with_pictures
    assert len(pdf) < 400_000


def test_the_same_verdict_prints_the_same_sheet() -> None:
    facts = sheet(prediction(), None, name="a.jpg", photo=PHOTO, when=WHEN)
    sheets = {as_pdf(facts, prediction(), picture=None, overlay=None, when=WHEN) for _ in range(2)}
    assert len(sheets) == 1


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_preview_is_small_and_shows_the_photo(fmt) -> None:
    original = picture(3, (1200, 900))
    shown = opened(preview.preview(encode(original, fmt)))
    assert (shown.format, shown.size) == ("JPEG", (768, 576))
    assert difference(shown, original.resize(shown.size)) < 12


def test_a_preview_stands_upright() -> None:
    exif = Image.Exif()
    exif[274] = 6
    assert opened(preview.preview(encode(picture(1, (120, 80)), "JPEG", exif=exif))).size == (80, 120)


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert opened(preview.preview(encode(clear, "PNG"))).getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize(
    "photo", [b"", b"no picture", PHOTO[:300], b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_what_cannot_be_shown_has_no_preview(photo) -> None:
    assert preview.preview(photo) is None


def test_what_is_too_large_is_not_decoded(monkeypatch) -> None:
    monkeypatch.setattr(preview, "MAX_PIXELS", 100)
    assert preview.preview(PHOTO) is None


def test_opacity_goes_from_the_photo_to_the_heatmap() -> None:
    photo = preview.preview(PHOTO)
    heat = encode(Image.new("RGB", (80, 60), (214, 40, 40)), "PNG")
    none, half, full = (opened(preview.blend(photo, heat, share)) for share in (0.0, 0.5, 1.0))
    plain = opened(photo).resize((80, 60))
    assert difference(none, plain) < 8
    assert difference(full, opened(heat)) < 2
    assert difference(half, plain) > 8
    assert difference(half, opened(heat)) > 8
