"""XMP: every spelling of the source type is read, no packet can hold the reader."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.inference.provenance.inspector import inspect
from src.inference.provenance.source_type import meaning
from src.inference.provenance.xmp import read_xmp
from tests.inference.provenance.makers import declared, photo, png, xmp
from tests.support.patience import computing_within

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


@pytest.mark.parametrize(
    "packet",
    [
        xmp("", f'Iptc4xmpExt:DigitalSourceType="{GENERATED}"'),
        xmp("", f'Iptc4xmpExt:DigitalSourceFileType="{GENERATED}"'),
        xmp(f"<Iptc4xmpExt:DigitalSourceType>{GENERATED}</Iptc4xmpExt:DigitalSourceType>"),
        xmp(f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{GENERATED}"/>'),
        xmp(
            "<Iptc4xmpExt:DigitalSourceType><rdf:Bag><rdf:li>"
            f"{GENERATED}</rdf:li></rdf:Bag></Iptc4xmpExt:DigitalSourceType>"
        ),
    ],
)
def test_each_way_of_writing_the_source_type_is_read(packet):
    assert read_xmp(packet.encode()) == {"DigitalSourceType": [GENERATED]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_the_encodings_of_xmp_are_read(encoding):
    packet = "\ufeff" + declared("trainedAlgorithmicMedia").partition("?>")[2]
    assert read_xmp(packet.encode(encoding)) == {"DigitalSourceType": [GENERATED]}


@pytest.mark.parametrize(
    ("term", "says"),
    [
        ("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia", "ai_generated"),
        ("https://cv.iptc.org/newscodes/digitalsourcetype/TrainedAlgorithmicMedia/", "ai_generated"),
        ("digsrctype:trainedAlgorithmicMedia", "ai_generated"),
        ("https://schema.org/TrainedAlgorithmicMediaDigitalSource", "ai_generated"),
        ("http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia", "ai_edited"),
        ("http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic", "ai_edited"),
        ("http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture", "camera"),
        ("http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia", "unknown"),
        ("http://cv.iptc.org/newscodes/digitalsourcetype/softwareImage", "unknown"),
        ("not trainedAlgorithmicMedia at all", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_what_the_terms_mean(term, says):
    assert meaning(term) == says


@pytest.mark.parametrize("fmt", ["JPEG", "WEBP", "PNG", "AVIF", "TIFF"])
def test_a_declared_source_type_is_found_in_every_format(fmt):
    packet = declared("trainedAlgorithmicMedia")
    if fmt == "PNG":
        file = png(xmp=packet)
    elif fmt == "TIFF":
        file = photo("TIFF", tiffinfo={700: packet.encode()})
    else:
        file = photo(fmt, xmp=packet.encode())
    (signal,) = inspect(file).signals
    assert (signal.kind, signal.says, signal.strength) == ("digital_source_type", "ai_generated", "strong")


def test_a_packed_packet_of_a_png_is_read():
    assert inspect(png(xmp=declared("compositeSynthetic"), packed=True)).strength_of("ai_edited") == "strong"


def test_a_declared_camera_is_a_weak_word():
    assert inspect(photo(xmp=declared("digitalCapture").encode())).strength_of("camera") == "weak"


def test_a_type_without_bearing_gives_no_signal():
    assert inspect(photo(xmp=declared("algorithmicMedia").encode())).signals == ()


def test_the_credit_of_googles_generators_is_read():
    packet = xmp("", 'photoshop:Credit="Made with Google AI"')
    (signal,) = inspect(photo(xmp=packet.encode())).signals
    assert (signal.kind, signal.says, signal.detail["field"]) == ("software", "ai_generated", "XMP Credit")


def test_the_credit_of_a_photographer_gives_no_signal():
    assert inspect(photo(xmp=xmp("", 'photoshop:Credit="Jo Doe"').encode())).signals == ()


def test_what_stands_before_a_damage_is_kept():
    packet = xmp(f"<Iptc4xmpExt:DigitalSourceType>{GENERATED}</Iptc4xmpExt:DigitalSourceType><broken")
    assert read_xmp(packet.encode()) == {"DigitalSourceType": [GENERATED]}


def entity_bomb() -> bytes:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE x [<!ENTITY e0 "ha">{levels}]><x>&e11;</x>'.encode()


@pytest.mark.parametrize(
    "packet",
    [
        entity_bomb(),
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
        b"<a>" * 600_000,
        b"<a>" + b"<b/>" * 400_000,
        b"<a " + b"".join(b'b%d="c" ' % n for n in range(100_000)),
        b"\xff\xfe<\0",
        b"<?xml version='1.0' encoding='no-such-code'?><a/>",
        b"<" * 1_000_000,
    ],
)
def test_hostile_packets_are_refused_at_once(packet):
    with computing_within(5):
        assert read_xmp(packet) == {}


def test_an_endless_text_is_not_collected():
    packet = xmp(f"<dc:description>{'x' * 3_000_000}</dc:description>").encode()
    assert read_xmp(packet) == {}


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(packet):
    assert isinstance(read_xmp(packet), dict)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_makes_it_raise(data):
    packet = bytearray(declared("trainedAlgorithmicMedia").encode())
    for at in data.draw(st.lists(st.integers(0, len(packet) - 1), max_size=6)):
        packet[at] = data.draw(st.integers(0, 255))
    assert isinstance(read_xmp(bytes(packet)), dict)
