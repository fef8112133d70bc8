"""A photo's bytes in, all signals of its origin out; the one entry to this room.

Never raises on any bytes and takes bounded time and memory: what cannot be read is left out or said to be.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from src.inference.provenance import source_type, tools
from src.inference.provenance.blocks import Blocks
from src.inference.provenance.claims import judge_store
from src.inference.provenance.exif import read_exif
from src.inference.provenance.manifests import MAX_MANIFEST, ManifestProblem, ManifestReader
from src.inference.provenance.parameters import judge_texts
from src.inference.provenance.signals import Provenance, Signal, details
from src.inference.provenance.walkers import read_blocks
from src.inference.provenance.xmp import Properties, read_xmp

_EXPOSURE = ("ExposureTime", "FNumber", "ISO", "FocalLength", "DateTimeOriginal")
_MAX_SOFTWARE = 8


def inspect(data: bytes, reader: ManifestReader | None = None) -> Provenance:
    """Collect what a file says about its own origin.

    Args:
        data: The whole file, of any origin and form; its length is the caller's to bound.
        reader: Reads C2PA manifests; one that trusts nobody by default. A service keeps one for all photos.

    Returns:
        Signals in the order of the kinds; none at all is the usual case and proves nothing.
    """
    blocks = read_blocks(data)
    exif = read_exif(blocks.exif)
    packets = [read_xmp(packet) for packet in blocks.xmp]
    signals = [
        *_c2pa(data, blocks, reader),
        *_source_types(packets),
        *judge_texts(_texts(blocks, exif, packets)),
        *_camera(exif),
        *_software(blocks, exif, packets),
    ]
    return Provenance(signals=tuple(signals))


def _c2pa(data: bytes, blocks: Blocks, reader: ManifestReader | None) -> Iterator[Signal]:
    if not blocks.manifest_bytes:
        return
    if blocks.manifest_bytes > MAX_MANIFEST:
        yield _unread("The C2PA manifest is too large to be read.")
        return
    try:
        store = (reader or ManifestReader()).read(data)
    except ManifestProblem as problem:
        yield _unread(str(problem))
    else:
        yield judge_store(store)


def _unread(reason: str) -> Signal:
    return Signal(kind="c2pa", says="unknown", strength="weak", reason=reason)


def _source_types(packets: list[Properties]) -> Iterator[Signal]:
    terms = chain.from_iterable(packet.get("DigitalSourceType", []) for packet in packets)
    judged = (source_type.judge_term(term) for term in dict.fromkeys(terms))
    # Two spellings of one term are one finding.
    yield from {signal.says: signal for signal in judged if signal is not None}.values()


def _texts(blocks: Blocks, exif: dict[str, str], packets: list[Properties]) -> Iterator[tuple[str, str]]:
    yield from blocks.texts
    for name in ("UserComment", "ImageDescription", "Make", "Model"):
        if name in exif:
            yield name, exif[name]
    for packet in packets:
        for name in ("AIGC", "UserComment", "description"):
            yield from ((name, value) for value in packet.get(name, []))


def _camera(exif: dict[str, str]) -> Iterator[Signal]:
    make, model = exif.get("Make", ""), exif.get("Model", "")
    if (
        not (make and model)
        or make.startswith(("workflow:", "prompt:"))
        or model.startswith(("workflow:", "prompt:"))
    ):
        return
    facts = {name: exif[name] for name in _EXPOSURE if name in exif}
    yield Signal(
        kind="camera_exif",
        says="camera",
        strength="weak",
        reason=f"EXIF names a camera and {len(facts)} facts of the exposure; anybody can write them.",
        detail=details(
            make=make, model=model, lens=exif.get("LensModel"), maker_note=exif.get("MakerNote"), **facts
        ),
    )


def _software(blocks: Blocks, exif: dict[str, str], packets: list[Properties]) -> Iterator[Signal]:
    names: list[tuple[str, str]] = []
    if "Software" in exif:
        names.append((exif["Software"], "EXIF Software"))
    names += [
        (text, f"PNG {key}") for key, text in blocks.texts if key.lower() in ("software", "source", "title")
    ]
    for packet in packets:
        for field in ("CreatorTool", "AISystemUsed", "Credit", "softwareAgent"):
            names += [(value, f"XMP {field}") for value in packet.get(field, [])]
    seen = {name: field for name, field in reversed(names) if _names_program(name, field)}
    yield from [tools.judge_software(name, field) for name, field in reversed(seen.items())][:_MAX_SOFTWARE]


def _names_program(name: str, field: str) -> bool:
    """Say whether a text names a program: a credit or a title does only when it is a known generator's."""
    return field in ("EXIF Software", "PNG Software", "XMP CreatorTool", "XMP softwareAgent") or (
        tools.meaning_of_name(name) != "unknown"
    )
