"""C2PA manifests signed for the tests: honest, forged, transplanted, stripped, and readers that hang."""

import json
from pathlib import Path
from threading import Event
from time import perf_counter

import pytest

from src.inference.provenance import manifests
from src.inference.provenance.combine import combine
from src.inference.provenance.inspector import inspect
from src.inference.provenance.manifests import ManifestProblem, ManifestReader
from src.inference.provenance.signals import Signal
from src.utils.errors import ConfigError
from tests.inference.provenance.makers import chunks_of, declared, photo, png, reencoded, with_chunk
from tests.inference.provenance.signing import CAPTURED, EDITED, UNSAID, authority, signed

HONEST = authority("Authority on the list")
FORGER = authority("Authority of a forger")
TRUSTING = ManifestReader(HONEST.root, timeout_s=120)
FORMATS = ("PNG", "JPEG", "WEBP")


def c2pa_signal(file: bytes, reader: ManifestReader = TRUSTING) -> Signal:
    (signal,) = [signal for signal in inspect(file, reader).signals if signal.kind == "c2pa"]
    return signal


def weight(signal: Signal) -> tuple[str, str, str]:
    return signal.says, signal.strength, signal.detail["validation"]


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_trusted_claim_of_ai_is_conclusive(fmt):
    signal = c2pa_signal(signed(photo(fmt), HONEST))
    assert weight(signal) == ("ai_generated", "conclusive", "trusted")
    assert signal.detail["issuer"] == "Test Camera and Image Works"


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_valid_claim_of_an_unknown_signer_is_strong(fmt):
    file = signed(photo(fmt), FORGER)
    assert weight(c2pa_signal(file)) == ("ai_generated", "strong", "intact")
    assert c2pa_signal(file).detail["failures"] == "signingCredential.untrusted"


def test_without_a_trust_list_no_signer_is_trusted():
    assert weight(c2pa_signal(signed(photo(), HONEST), ManifestReader())) == (
        "ai_generated",
        "strong",
        "intact",
    )


def test_a_signer_that_calls_itself_by_a_known_name_is_not_trusted_for_it():
    file = signed(photo(), authority("Another authority of a forger", signer="OpenAI OpCo, LLC"))
    signal = c2pa_signal(file)
    assert signal.detail["issuer"] == "OpenAI OpCo, LLC"
    assert weight(signal) == ("ai_generated", "strong", "intact")


def test_a_generator_is_known_by_its_name_where_no_source_type_is_given():
    file = signed(photo(), HONEST, source_type=UNSAID, agent="Image Creator from Designer")
    assert weight(c2pa_signal(file)) == ("ai_generated", "strong", "trusted")


def test_a_trusted_claim_of_a_generated_part_is_conclusive_for_the_part_only():
    signal = c2pa_signal(signed(photo(), HONEST, source_type=EDITED))
    assert weight(signal) == ("ai_edited", "conclusive", "trusted")
    assert combine("real", inspect(signed(photo(), HONEST, source_type=EDITED), TRUSTING)).label == "real"


def test_not_even_a_trusted_signer_proves_a_camera():
    file = signed(photo(), HONEST, source_type=CAPTURED)
    assert weight(c2pa_signal(file)) == ("camera", "strong", "trusted")
    assert combine("ai_generated", inspect(file, TRUSTING)).label == "ai_generated"


def test_a_forged_camera_claim_is_weak_and_changes_no_verdict():
    file = signed(photo(), FORGER, source_type=CAPTURED)
    assert weight(c2pa_signal(file)) == ("camera", "weak", "intact")
    combined = combine("ai_generated", inspect(file, TRUSTING))
    assert (combined.label, combined.basis) == ("ai_generated", "pixels")


def test_a_forged_camera_manifest_over_a_declared_ai_picture_hides_nothing():
    file = signed(png(xmp=declared("trainedAlgorithmicMedia")), FORGER, source_type=CAPTURED)
    assert inspect(file, TRUSTING).strength_of("ai_generated") == "strong"


@pytest.mark.parametrize("fmt", FORMATS)
def test_changed_pixels_break_a_manifest(fmt):
    file = bytearray(signed(photo(fmt), HONEST))
    file[-30 if fmt == "PNG" else -9] ^= 0x55
    signal = c2pa_signal(bytes(file))
    assert weight(signal) == ("ai_generated", "weak", "broken")
    assert "mismatch" in signal.detail["failures"]


def test_a_manifest_moved_to_another_picture_is_broken():
    (manifest,) = chunks_of(signed(png(seed=1), HONEST), b"caBX")
    moved = with_chunk(png(seed=2), b"caBX", manifest)
    assert weight(c2pa_signal(moved)) == ("ai_generated", "weak", "broken")
    assert combine("real", inspect(moved, TRUSTING)).basis == "pixels"


def test_a_camera_manifest_moved_to_a_fake_says_nothing():
    (manifest,) = chunks_of(signed(png(seed=1), HONEST, source_type=CAPTURED), b"caBX")
    moved = with_chunk(png(seed=2), b"caBX", manifest)
    assert weight(c2pa_signal(moved)) == ("unknown", "weak", "broken")


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_stripped_file_says_nothing(fmt):
    stripped = reencoded(signed(photo(fmt), HONEST), fmt)
    assert inspect(stripped, TRUSTING).signals == ()
    assert combine("real", inspect(stripped, TRUSTING)).basis == "pixels"


def test_an_edit_of_a_generated_picture_stays_generated():
    child = signed(photo(seed=2), HONEST, parent=signed(photo(), HONEST))
    signal = c2pa_signal(child)
    assert (signal.says, signal.strength) == ("ai_generated", "strong")
    assert signal.detail["from_ingredient"] == "yes"


def test_a_photo_with_a_generated_part_is_edited():
    collage = signed(photo(seed=2), HONEST, source_type=CAPTURED, component=signed(photo(), HONEST))
    assert (c2pa_signal(collage).says, c2pa_signal(collage).strength) == ("ai_edited", "strong")


@pytest.mark.parametrize("body", [b"", b"\0" * 64, b"\0\0\0\x10jumbgarbage", b"\xff" * 5000])
def test_a_damaged_manifest_is_told_and_proves_nothing(body):
    found = inspect(with_chunk(png(), b"caBX", body), TRUSTING).signals
    assert [(signal.says, signal.strength) for signal in found] == ([("unknown", "weak")] if body else [])


def test_every_truncation_of_a_manifest_is_survived():
    file = signed(photo("JPEG"), HONEST)
    for end in range(0, len(file), 97):
        assert inspect(file[:end], TRUSTING).strength_of("ai_generated") in (None, "weak")


def test_a_packed_manifest_is_unpacked_within_the_bound_only():
    small, bomb = signed(photo("PNG"), HONEST, ballast=1000), signed(photo("PNG"), HONEST, ballast=12_000_000)
    assert b"brob" in small
    assert c2pa_signal(small).strength == "conclusive"
    assert len(bomb) < 100_000
    assert (c2pa_signal(bomb).says, "damaged" in c2pa_signal(bomb).reason) == ("unknown", True)


def test_a_huge_manifest_is_not_read():
    file = with_chunk(png(), b"caBX", bytes(manifests.MAX_MANIFEST + 1))
    assert c2pa_signal(file, ManifestReader()).reason == "The C2PA manifest is too large to be read."


class HangingLibrary:
    """A stand-in for the native library whose reader hangs until its gate is opened."""

    C2paError = OSError

    def __init__(self) -> None:
        self.gate = Event()

    def Reader(self, *_: object, **__: object) -> None:  # noqa: N802 - the library's name
        self.gate.wait(300)
        raise OSError


def test_a_reader_that_hangs_is_left_behind_and_never_blocks_all(monkeypatch):
    reader = ManifestReader(timeout_s=60, slots=2)
    file = signed(photo(), HONEST)
    reader.read(file)  # the context is built by the real library
    monkeypatch.setattr(reader, "_timeout_s", 0.1)
    hanging = HangingLibrary()
    monkeypatch.setattr(manifests, "_library", lambda: hanging)
    start = perf_counter()
    reasons = [c2pa_signal(file, reader).reason for _ in range(4)]
    assert perf_counter() - start < 150  # one that waited for the gate would take twice as long
    assert (
        reasons
        == ["The C2PA manifest could not be read in time."] * 2
        + ["Too many C2PA manifests are being read."] * 2
    )
    hanging.gate.set()
    monkeypatch.undo()
    assert c2pa_signal(file, ManifestReader(timeout_s=120)).says == "ai_generated"


def test_an_installation_without_the_library_says_so(monkeypatch):
    def missing() -> None:
        raise ManifestProblem("This installation cannot read C2PA manifests.")

    monkeypatch.setattr(manifests, "_library", missing)
    assert "cannot read C2PA" in c2pa_signal(signed(photo(), HONEST), ManifestReader(timeout_s=120)).reason


def test_an_import_that_fails_becomes_a_problem(monkeypatch):
    monkeypatch.setattr(manifests.importlib, "import_module", lambda _: (_ for _ in ()).throw(ImportError))
    with pytest.raises(ManifestProblem, match="cannot read"):
        ManifestReader().read(b"")


def test_a_store_that_is_no_object_is_damaged(monkeypatch):
    class Library:
        C2paError = OSError

        class Reader:
            def __init__(self, *_: object, **__: object) -> None: ...

            def __enter__(self) -> None: ...

            def __exit__(self, *_: object) -> None: ...

            def json(self) -> str:
                return json.dumps([1])

    reader = ManifestReader(HONEST.root, timeout_s=120)
    monkeypatch.setattr(manifests, "_library", lambda: Library)
    with pytest.raises(ManifestProblem, match="damaged"):
        reader.read(b"")


def test_a_trust_list_is_read_from_a_file(tmp_path: Path):
    path = tmp_path / "anchors.pem"
    path.write_text("# the authorities\n" + HONEST.root + FORGER.root)
    reader = ManifestReader.from_file(path, timeout_s=120)
    assert c2pa_signal(signed(photo(), FORGER), reader).strength == "conclusive"
    assert c2pa_signal(signed(photo(), FORGER), ManifestReader.from_file(None)).strength == "strong"


@pytest.mark.parametrize(
    "text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_trust_list_that_is_none_is_refused_at_once(tmp_path: Path, text: str):
    path = tmp_path / "anchors.pem"
    path.write_text(text)
    with pytest.raises(ConfigError, match="trust list"):
        ManifestReader.from_file(path)


def test_anchors_that_are_no_certificates_are_refused_at_once():
    with pytest.raises(ConfigError, match="trust list"):
        ManifestReader("no certificate")


def test_a_missing_trust_list_is_refused_at_once(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read"):
        ManifestReader.from_file(tmp_path / "none.pem")
