"""EXIF of honest files is read; of hostile ones, whatever can be."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from src.inference.provenance.exif import read_exif
from src.inference.provenance.inspector import inspect
from tests.inference.provenance.makers import WEB_UI, camera_exif, exif, photo


def only(file: bytes, kind: str):
    found = [signal for signal in inspect(file).signals if signal.kind == kind]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_cameras_exif_is_a_weak_word_in_every_format(fmt):
    signal = only(photo(fmt, exif=camera_exif()), "camera_exif")
    assert (signal.says, signal.strength) == ("camera", "weak")
    assert signal.detail["make"] == "Testar"
    if fmt != "TIFF":  # Pillow writes no exposure directory into a TIFF
        assert signal.detail["FNumber"] == "2.8"
        assert signal.detail["ISO"] == "200"


@pytest.mark.parametrize("big_endian", [False, True])
def test_both_byte_orders_are_read(big_endian):
    block = exif({0x010F: "Testar", 0x0110: "T-100"}, {0x8827: 400}, big_endian=big_endian)
    assert read_exif(block.tobytes().removeprefix(b"Exif\0\0")) == {
        "Make": "Testar",
        "Model": "T-100",
        "ISO": "400",
    }


def test_a_make_without_a_model_is_no_camera():
    assert inspect(photo(exif=exif({0x010F: "Testar"}))).signals == ()


@pytest.mark.parametrize(
    "software", ["Adobe Photoshop 25.1 (Windows)", "Google", "Windows Photo Editor 10.0"]
)
def test_an_editor_says_nothing_of_the_origin(software):
    signal = only(photo(exif=exif({0x0131: software})), "software")
    assert (signal.says, signal.strength, signal.detail["software"]) == ("unknown", "weak", software)


@pytest.mark.parametrize("software", ["DALL·E 3", "Stable Diffusion XL", "Midjourney 6.1", "Adobe Firefly 2"])
def test_a_generators_name_is_a_strong_word(software):
    block = exif({0x0131: software.replace("·", "-")})
    signal = only(photo(exif=block), "software")
    assert (signal.says, signal.strength) == ("ai_generated", "strong")


@pytest.mark.parametrize("software", ["Edited with Google AI", "PhotoRoom 5.2"])
def test_an_editor_that_generates_parts_is_told(software):
    signal = only(photo(exif=exif({0x0131: software})), "software")
    assert (signal.says, signal.strength) == ("ai_edited", "strong")


@pytest.mark.parametrize(
    "comment",
    [
        b"ASCII\0\0\0" + WEB_UI.encode(),
        b"UNICODE\0" + WEB_UI.encode("utf-16-be"),
        b"UNICODE\0" + WEB_UI.encode("utf-16-le"),
        b"\0" * 8 + WEB_UI.encode(),
        WEB_UI.encode(),
    ],
)
@pytest.mark.parametrize("big_endian", [False, True])
def test_a_comment_is_read_in_whatever_code_it_was_written(comment, big_endian):
    block = exif({}, {0x9286: comment}, big_endian=big_endian)
    signal = only(photo(exif=block), "generator_parameters")
    assert (signal.detail["tool"], signal.detail["seed"]) == ("Stable Diffusion web UI", "42")


def test_a_directory_that_points_at_itself_ends():
    entry = struct.pack("<HHLL", 0x8769, 4, 1, 8)
    assert read_exif(b"II*\0" + struct.pack("<L", 8) + struct.pack("<H", 1) + entry + bytes(4)) == {}


def test_a_length_beyond_the_block_is_passed_over():
    entry = struct.pack("<HHLL", 0x010F, 2, 0xFFFFFFFF, 8)
    fine = struct.pack("<HHL4s", 0x0110, 2, 4, b"T-1\0")
    block = b"II*\0" + struct.pack("<L", 8) + struct.pack("<H", 2) + entry + fine + bytes(4)
    assert read_exif(block) == {"Model": "T-1"}


def test_an_exposure_by_zero_is_no_number():
    entry = struct.pack("<HHLL", 0x829A, 5, 1, 26)
    block = (
        b"II*\0" + struct.pack("<L", 8) + struct.pack("<H", 1) + entry + bytes(4) + struct.pack("<LL", 1, 0)
    )
    assert read_exif(block) == {}


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"II*\0", b"MM\0*", b""]))
def test_no_bytes_make_it_raise(body, start):
    assert isinstance(read_exif(start + body), dict)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_makes_it_raise(data):
    block = bytearray(camera_exif().tobytes().removeprefix(b"Exif\0\0"))
    for at in data.draw(st.lists(st.integers(0, len(block) - 1), max_size=8)):
        block[at] = data.draw(st.integers(0, 255))
    assert isinstance(read_exif(bytes(block)), dict)


def test_the_pixels_are_never_decoded(monkeypatch):
    truncated = photo(exif=camera_exif())[:900]
    monkeypatch.setattr(Image, "open", None)
    assert inspect(truncated).strength_of("camera") == "weak"
