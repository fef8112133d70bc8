"""A file's bytes in, its blocks of metadata out, for each container that is read here.

Every walk is linear in the file's length and bounded in parts and in memory, no pixel is decoded, and damage
ends a walk instead of raising: what was found until then counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

from src.inference.provenance.blocks import MAX_PARTS, Blocks, inflate

_XMP_KEYWORD = b"XML:com.adobe.xmp"
_JPEG_EXIF, _JPEG_XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_NO_FILL = re.compile(rb"[^\xff]")
_APP1, _APP11, _COMMENT, _SCAN, _END = 0xE1, 0xEB, 0xFE, 0xDA, 0xD9
_PACKET, _PACKET_END = b"<x:xmpmeta", b"</x:xmpmeta>"
_MAX_PACKETS = 4
# ISO 22144 (C2PA 2.x), appendix A: where each container keeps the manifest store.
_BMFF_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_GIF_BLOCK = b"\x21\xff\x0bC2PA_GIF"
_TIFF_MANIFEST = 0xCD41
_MAX_TIFF_ENTRIES = 512


def read_blocks(data: bytes) -> Blocks:
    """Collect the metadata of a file.

    Args:
        data: The whole file, of any origin and form.

    Returns:
        The blocks; empty where the container is unknown or has none. Never raises.
    """
    blocks = Blocks()
    for offset, magic, walk in _WALKS:
        if data.startswith(magic, offset):
            walk(data, blocks)
            break
    return blocks


def _walk_png(data: bytes, blocks: Blocks) -> None:
    position = 8
    for _ in range(MAX_PARTS):
        length = int.from_bytes(data[position : position + 4], "big")
        kind, start, end = data[position + 4 : position + 8], position + 8, position + 8 + length
        if len(kind) < 4 or end > len(data):
            return
        if kind == b"caBX":
            blocks.manifest_bytes += length
        elif kind == b"eXIf":
            blocks.add_exif(data[start:end])
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            _add_png_text(kind, data[start:end], blocks)
        position = end + 4


def _add_png_text(kind: bytes, chunk: bytes, blocks: Blocks) -> None:
    keyword, _, rest = chunk.partition(b"\0")
    if kind == b"tEXt":
        # The standard says Latin-1; the generators write UTF-8, which Latin-1 would garble but never refuse.
        blocks.add_text(keyword, rest)
    elif kind == b"zTXt":
        blocks.add_text(keyword, inflate(rest[1:]))
    else:
        packed = rest[:1] == b"\x01"
        text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        text = inflate(text) if packed else text
        if keyword == _XMP_KEYWORD:
            blocks.add_xmp(text)
        else:
            blocks.add_text(keyword, text)


def _walk_jpeg(data: bytes, blocks: Blocks) -> None:
    position = 2
    for _ in range(MAX_PARTS):
        if data[position : position + 1] != b"\xff":
            return
        found = _NO_FILL.search(data, position + 1)
        marker = found[0][0] if found else _END
        if found is None or marker in (_SCAN, _END):
            return
        position = found.end()
        if marker in _JPEG_BARE:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        segment = data[position + 2 : position + length]
        position += max(2, length)
        if marker == _APP1 and segment.startswith(_JPEG_EXIF):
            blocks.add_exif(segment)
        elif marker == _APP1 and segment.startswith(_JPEG_XMP):
            blocks.add_xmp(segment[len(_JPEG_XMP) :])
        elif marker == _APP11 and segment.startswith(b"JP"):
            blocks.manifest_bytes += len(segment)
        elif marker == _COMMENT:
            blocks.add_text(b"comment", segment)


def _walk_webp(data: bytes, blocks: Blocks) -> None:
    position = 12
    for _ in range(MAX_PARTS):
        kind = data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        start, end = position + 8, position + 8 + length
        if len(kind) < 4 or end > len(data):
            return
        if kind == b"EXIF":
            blocks.add_exif(data[start:end])
        elif kind == b"XMP ":
            blocks.add_xmp(data[start:end])
        elif kind == b"C2PA":
            blocks.manifest_bytes += length
        position = end + length % 2


def _walk_bmff(data: bytes, blocks: Blocks) -> None:
    """AVIF and HEIC: the items' places are not followed, the blocks are found by how they begin."""
    for kind, start, end in _boxes(data):
        if kind == b"uuid" and data[start : start + 16] == _BMFF_UUID:
            blocks.manifest_bytes += end - start
    for order in (b"Exif\0\0II*\0", b"Exif\0\0MM\0*"):
        at = data.find(order)
        if at >= 0:
            blocks.add_exif(data[at : at + 2**16])
    _scan_packets(data, blocks)


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    position = 0
    for _ in range(MAX_PARTS):
        length = int.from_bytes(data[position : position + 4], "big")
        kind, start = data[position + 4 : position + 8], position + 8
        if length == 1:
            length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        elif length == 0:
            length = len(data) - position
        end = position + length
        if len(kind) < 4 or end < start or end > len(data):
            return
        yield kind, start, end
        position = end


def _walk_tiff(data: bytes, blocks: Blocks) -> None:
    """A TIFF file is itself the structure that EXIF uses."""
    blocks.exif = data
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    at = int.from_bytes(data[4:8], order)
    count = min(int.from_bytes(data[at : at + 2], order), _MAX_TIFF_ENTRIES)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        if int.from_bytes(data[entry : entry + 2], order) == _TIFF_MANIFEST:
            blocks.manifest_bytes += int.from_bytes(data[entry + 4 : entry + 8], order)
    _scan_packets(data, blocks)


def _walk_gif(data: bytes, blocks: Blocks) -> None:
    at = data.find(_GIF_BLOCK)
    position = at + len(_GIF_BLOCK) + 3  # behind the authentication code
    for _ in range(MAX_PARTS if at >= 0 else 0):
        if position >= len(data) or not data[position]:
            break
        blocks.manifest_bytes += data[position]
        position += 1 + data[position]
    _scan_packets(data, blocks)


def _scan_packets(data: bytes, blocks: Blocks) -> None:
    """Find plain XMP packets wherever they lie, as the XMP specification allows (part 3, packet scanning)."""
    position = 0
    for _ in range(_MAX_PACKETS):
        start = data.find(_PACKET, position)
        end = data.find(_PACKET_END, start)
        if start < 0 or end < 0:
            return
        position = end + len(_PACKET_END)
        blocks.add_xmp(data[start:position])


_WALKS: tuple[tuple[int, bytes, Callable[[bytes, Blocks], None]], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", _walk_png),
    (0, b"\xff\xd8\xff", _walk_jpeg),
    (8, b"WEBP", _walk_webp),
    (4, b"ftyp", _walk_bmff),
    (0, b"II*\0", _walk_tiff),
    (0, b"MM\0*", _walk_tiff),
    (0, b"GIF8", _walk_gif),
)
