"""Bands of size and compression, and the table that they are made of."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image

from src.data.layout import original_path
from src.data.manifest import PhotoRecord, write_manifest
from src.evaluation.capture import BANDS, FILE, Capture, main, read_captures
from src.utils.errors import DataError
from tests.evaluation.conftest import make_record


@pytest.mark.parametrize(
    ("capture", "resolution", "compression"),
    [
        (Capture(499, 300, 9, 74), "below 500 px", "JPEG, quality below 75"),
        (Capture(300, 500, 9, 75), "500 to 799 px", "JPEG, quality 75 to 84"),
        (Capture(800, 800, 9, 85), "800 to 1599 px", "JPEG, quality 85 to 94"),
        (Capture(1600, 10, 9, 95), "1600 to 2999 px", "JPEG, quality 95 and up"),
        (Capture(4000, 3000, 4_000_000), "3000 px and more", "other, below 0.5 bytes a pixel"),
        (Capture(100, 100, 5_000), "below 500 px", "other, 0.5 bytes a pixel and more"),
        (Capture(100, 100), "below 500 px", ""),
    ],
)
def test_bands(capture: Capture, resolution: str, compression: str) -> None:
    assert (capture.resolution, capture.compression) == (resolution, compression)
    assert resolution in BANDS
    assert compression in (*BANDS, "")


def put(raw: Path, name: str, kind: str, **options: int) -> PhotoRecord:
    """A drawn original and its row."""
    stream = io.BytesIO()
    Image.effect_noise((120, 90), 60).convert("RGB").save(stream, kind, **options)
    record = make_record(name, fake=False, source="shop", size=(120, 90)).model_copy(
        update={"sha256": hashlib.sha256(stream.getvalue()).hexdigest(), "original_format": kind}
    )
    path = original_path(record, raw)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream.getvalue())
    return record


def test_the_table_is_made_of_the_originals_and_read_back(tmp_path: Path) -> None:
    raw, manifest = tmp_path / "raw", tmp_path / "manifest.csv"
    records = [put(raw, "a", "JPEG", quality=60), put(raw, "b", "PNG")]
    gone = make_record("c", fake=False, source="shop", size=(900, 700))
    changed = put(raw, "d", "PNG", compress_level=1)
    original_path(changed, raw).write_bytes(b"another file")
    everything = [*records, gone, changed]
    write_manifest(manifest, everything)
    sizes_alone = read_captures(manifest, everything)
    assert {each.compression for each in sizes_alone.values()} == {""}
    assert main(["--manifest", str(manifest), "--raw", str(raw)]) == 1
    found = read_captures(manifest, everything)
    length = original_path(records[0], raw).stat().st_size
    assert found[records[0].photo_id] == Capture(120, 90, length, 60)
    assert found[records[1].photo_id].quality is None
    assert found[records[1].photo_id].compression == "other, 0.5 bytes a pixel and more"
    assert found[gone.photo_id] == Capture(900, 700)
    assert found[changed.photo_id].bytes is None
    write_manifest(manifest, records)
    assert main(["--manifest", str(manifest), "--raw", str(raw)]) == 0


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    for text in ("photo,bytes\n", "photo_id,bytes,quality\na,many,3\n", "photo_id,bytes,quality\na,3\n"):
        manifest.with_name(FILE).write_text(text)
        with pytest.raises(DataError, match=FILE):
            read_captures(manifest, [])


def test_the_committed_table_holds_every_photo_of_the_manifest() -> None:
    from src.data.manifest import read_manifest

    manifest = Path(__file__).parents[2] / "data" / "manifest.csv"
    records = read_manifest(manifest)
    found = read_captures(manifest, records)
    assert {each.photo_id for each in records if not found[each.photo_id].compression} == set()
