"""Untouched files of generators and cameras, where they lie beside the repository, and files like them."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from src.inference.provenance.combine import combine
from src.inference.provenance.inspector import inspect
from src.inference.provenance.manifests import ManifestReader
from src.inference.provenance.signals import Provenance
from tests.inference.provenance.makers import (
    COMFY_DRAWN,
    COMFY_RUN,
    camera_exif,
    declared,
    exif,
    photo,
    png,
    reencoded,
)
from tests.inference.provenance.signing import authority, signed

READER = ManifestReader(timeout_s=120)
FOLDER = Path(os.environ.get("DETECTOR_ORIGINALS", Path(__file__).parents[4] / "shared" / "originals"))
Case = tuple[str, str, Callable[[], bytes]]


def kept() -> list[Case]:
    """Name, what it carries, and the bytes of each original that is there."""
    table = FOLDER / "manifest.csv"
    if not table.is_file():
        return []
    with table.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if (FOLDER / row["file"]).is_file()]
    return [(row["file"], row["carries"], (FOLDER / row["file"]).read_bytes) for row in rows]


def made() -> list[Case]:
    """An equivalent of each kind of original."""
    anybody = authority("Anybody", signer="Some Image Works")
    return [
        ("made-c2pa.png", "c2pa+iptc", lambda: signed(png(), anybody)),
        ("made-c2pa.jpg", "c2pa+iptc", lambda: signed(photo(), anybody)),
        ("made-xmp.jpg", "iptc", lambda: photo(xmp=declared("trainedAlgorithmicMedia").encode())),
        ("made-comfy.png", "comfy", lambda: png({"prompt": COMFY_RUN, "workflow": COMFY_DRAWN})),
        ("made-camera.jpg", "exif_make:Testar+exif_sw:firmware", lambda: photo(exif=camera_exif())),
        (
            "made-editor.jpg",
            "exif_sw:Adobe Photoshop",
            lambda: photo(exif=exif({0x0131: "Adobe Photoshop CS3"})),
        ),
    ]


CASES = {name: (carries, load) for name, carries, load in (*made(), *kept())}
GENERATED = [name for name, (carries, _) in CASES.items() if not carries.startswith("exif")]
CAMERA = [name for name in CASES if name not in GENERATED]
MANIFESTED = [name for name in GENERATED if CASES[name][0].startswith("c2pa")]


def kinds(provenance: Provenance) -> set[str]:
    return {signal.kind for signal in provenance.signals if signal.says == "ai_generated"}


@pytest.mark.parametrize("name", GENERATED)
def test_a_generators_file_says_so_strongly(name):
    carries, load = CASES[name]
    found = inspect(load(), READER)
    expected = {"c2pa": "c2pa", "iptc": "digital_source_type", "comfy": "generator_parameters"}
    assert expected[carries.split("+")[0]] in kinds(found)
    # Without a trust list nothing is conclusive, so the pixels' verdict stands and a person looks.
    assert found.strength_of("ai_generated") == "strong"
    assert combine("real", found).basis == "pixels_against_provenance"


@pytest.mark.parametrize("name", CAMERA)
def test_a_cameras_or_editors_file_is_never_said_to_be_ai(name):
    found = inspect(CASES[name][1](), READER)
    assert {signal.says for signal in found.signals} <= {"camera", "unknown"}
    assert ("camera" in {signal.says for signal in found.signals}) == ("exif_make" in CASES[name][0])
    assert combine("real", found).basis == "pixels"


@pytest.mark.parametrize("name", MANIFESTED)
def test_a_signed_file_with_a_changed_byte_is_broken(name):
    file = bytearray(CASES[name][1]())
    file[-30 if name.endswith(".png") else -9] ^= 0x55
    found = inspect(bytes(file), READER)
    assert {signal.detail["validation"] for signal in found.signals if signal.kind == "c2pa"} == {"broken"}
    assert found.strength_of("ai_generated") in (None, "weak")


@pytest.mark.parametrize("name", CASES)
def test_a_stripped_file_says_nothing_and_leaves_the_pixels_verdict(name):
    found = inspect(reencoded(CASES[name][1]()), READER)
    assert found.signals == ()
    assert combine("ai_generated", found).label == "ai_generated"


@pytest.mark.parametrize("name", CASES)
def test_every_cut_of_a_file_is_survived(name):
    file = CASES[name][1]()
    for part in range(1, 12):
        assert inspect(file[: len(file) * part // 12], READER).strength_of("ai_generated") != "conclusive"
