"""Walking containers: bounds hold, damage ends a walk, and no bytes make the inspector raise or linger."""

import struct
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.inference.provenance.blocks import MAX_PARTS
from src.inference.provenance.inspector import inspect
from src.inference.provenance.manifests import ManifestReader
from src.inference.provenance.signals import Provenance
from src.inference.provenance.walkers import read_blocks
from tests.inference.provenance.makers import COMFY_RUN, WEB_UI, camera_exif, declared, photo, png, with_chunk
from tests.inference.provenance.signing import authority, signed
from tests.support.patience import computing_within
from tests.support.pictures import FORMATS

READER = ManifestReader(timeout_s=120)
STARTS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe1",
    b"RIFF\0\0\0\0WEBP",
    b"\0\0\0\x18ftypavif",
    b"II*\0",
    b"GIF89a",
)

MEBI = 2**20


def bomb(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_bare_file_of_any_format_says_nothing(fmt):
    assert inspect(photo(fmt)) == Provenance()


@pytest.mark.parametrize("data", [b"", b"\0", b"GIF", b"just text", b"%PDF-1.7", b"<svg/>", *STARTS])
def test_what_is_no_picture_says_nothing(data):
    assert inspect(data) == Provenance()


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_packed_bomb_is_not_unpacked(kind):
    head = b"parameters\0\0" if kind == b"zTXt" else b"parameters\0\1\0\0\0"
    file = with_chunk(png(), kind, head + bomb(200 * MEBI))
    with computing_within(5):
        assert read_blocks(file).texts == []


def test_damaged_packed_text_is_left_out():
    assert read_blocks(with_chunk(png(), b"zTXt", b"parameters\0\0garbage")).texts == []


def test_many_large_texts_stay_within_the_bound():
    file = png()
    for _ in range(10):
        file = with_chunk(file, b"tEXt", b"a\0" + b"x" * MEBI)
    assert sum(len(text) for _, text in read_blocks(file).texts) <= 6 * MEBI


def test_thousands_of_texts_stay_within_the_bound():
    file = png()
    chunk = struct.pack(">I", 3) + b"tEXt" + b"a\0b" + bytes(4)
    assert len(read_blocks(file[:33] + chunk * 5000 + file[33:]).texts) <= 64


def test_a_walk_ends_after_a_bounded_number_of_parts():
    empty = struct.pack(">I", 0) + b"junk" + bytes(4)
    late = struct.pack(">I", 3) + b"tEXt" + b"a\0b" + bytes(4)
    assert read_blocks(png()[:33] + empty * MAX_PARTS + late).texts == []
    assert len(read_blocks(png()[:33] + empty * 100 + late).texts) == 1


def test_metadata_behind_the_pixels_of_a_png_is_found():
    file = png()
    chunk = struct.pack(">I", len(WEB_UI) + 11) + b"tEXt" + b"parameters\0" + WEB_UI.encode() + bytes(4)
    assert inspect(file[:-12] + chunk + file[-12:]).strength_of("ai_generated") == "strong"


def test_fill_bytes_and_bare_markers_of_a_jpeg_are_stepped_over():
    file = photo(comment=WEB_UI)
    padded = file[:2] + b"\xff\x01" + b"\xff" * 50 + file[2:]
    assert inspect(padded).strength_of("ai_generated") == "strong"


def test_the_manifest_of_every_container_is_noticed():
    uuid = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
    box = struct.pack(">I", 24 + 100) + b"uuid" + uuid + bytes(100)
    entry = struct.pack("<HHLL", 0xCD41, 7, 100, 0)
    tiff = b"II*\0" + struct.pack("<L", 8) + struct.pack("<H", 1) + entry + bytes(4)
    gif = photo("GIF")[:13] + b"\x21\xff\x0bC2PA_GIF\x01\0\0" + b"\x64" + bytes(100) + b"\0"
    for file in (photo("AVIF") + box, tiff, gif, signed(photo("WEBP"), authority("Anybody"))):
        assert read_blocks(file).manifest_bytes >= 100


def test_boxes_of_absurd_length_end_the_walk():
    for length in (b"\0\0\0\1" + b"uuid" + b"\xff" * 8, b"\0\0\0\4uuid", b"\0\0\0\0uuid"):
        assert read_blocks(photo("AVIF") + length).manifest_bytes == 0


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(STARTS), st.binary(max_size=400))
def test_no_bytes_make_the_inspector_raise(start, body):
    assert isinstance(inspect(start + body, READER), Provenance)


def loaded_files() -> dict[str, bytes]:
    """One file of each kind with all that it can carry."""
    packet = declared("trainedAlgorithmicMedia")
    return {
        "PNG": png({"parameters": WEB_UI, "prompt": COMFY_RUN}, xmp=packet),
        "JPEG": photo(exif=camera_exif(), xmp=packet.encode(), comment=WEB_UI),
        "WEBP": photo("WEBP", exif=camera_exif(), xmp=packet.encode()),
        "AVIF": photo("AVIF", exif=camera_exif(), xmp=packet.encode()),
        "TIFF": photo("TIFF", exif=camera_exif()),
        "signed PNG": signed(png({"prompt": COMFY_RUN}), authority("Anybody")),
        "signed JPEG": signed(photo(exif=camera_exif()), authority("Anybody")),
    }


LOADED = loaded_files()


@pytest.mark.parametrize("name", LOADED)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_damage_makes_the_inspector_raise_or_believe_more(name, data):
    file = bytearray(LOADED[name])
    for at in data.draw(st.lists(st.integers(0, len(file) - 1), min_size=1, max_size=12)):
        file[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(file)))
    for variant in (bytes(file), bytes(file[:cut])):
        assert inspect(variant, READER).strength_of("ai_generated") != "conclusive"


@pytest.mark.parametrize(
    "file",
    [
        b"\x89PNG\r\n\x1a\n" + (struct.pack(">I", 0) + b"tEXt" + bytes(4)) * 400_000,
        b"\xff\xd8" + b"\xff\xe1\0\2" * 1_000_000,
        b"\xff\xd8" + b"\xff" * 25_000_000,
        b"RIFF\0\0\0\0WEBP" + (b"XMP " + bytes(4)) * 500_000,
        b"\0\0\0\x18ftypavif" + b"<x:xmpmeta" * 400_000,
        b"\0\0\0\x18ftypavif" + b"\0\0\0\x08free" * 500_000,
        b"II*\0" + b"\xff" * 4_000_000,
        b"GIF89a" + b"\x21\xff\x0bC2PA_GIF" * 300_000,
        b"GIF89a" + b"\x21\xff\x0bC2PA_GIF" + b"\1" * 25_000_000,
        png({"parameters": "Steps: " * 200_000}),
        png({"prompt": "{" * 1_500_000}),
        png({"Description": "--v " * 300_000}),
    ],
    ids=[
        "chunks",
        "segments",
        "fill",
        "riff",
        "packets",
        "boxes",
        "tiff",
        "gif",
        "sub-blocks",
        "steps",
        "json",
        "midjourney",
    ],
)
def test_hostile_files_are_done_with_quickly(file):
    with computing_within(5):
        inspect(file, READER)
