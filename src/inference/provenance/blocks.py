"""The blocks of metadata that a file holds, collected within bounds: what is over a bound is left out."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

MAX_PARTS = 20_000
"""Chunks, segments or boxes that a walk looks at; a photo of 25 MB in the smallest usual chunks has 3,200."""
_MAX_BLOCK = 2 * 2**20  # large ComfyUI workflows reach some hundred kilobytes
_MAX_TOTAL = 6 * 2**20
_MAX_BLOCKS = 64


@dataclass(slots=True)
class Blocks:
    """What a container holds beside its pixels.

    Attributes:
        exif: A TIFF structure, without the marker `Exif`; the first one found.
        xmp: XMP packets, as found.
        texts: Keyword and text of PNG texts, JPEG comments and the like.
        manifest_bytes: Length of the embedded C2PA manifest store; 0 without one.
    """

    exif: bytes = b""
    xmp: list[bytes] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    manifest_bytes: int = 0
    _total: int = 0

    def add_exif(self, block: bytes) -> None:
        """Keep a TIFF structure, with or without the marker in front of it."""
        block = block.removeprefix(b"Exif\0\0")
        if not self.exif and self._fits(block):
            self.exif = block

    def add_xmp(self, packet: bytes) -> None:
        """Keep an XMP packet."""
        if self._fits(packet):
            self.xmp.append(packet)

    def add_text(self, keyword: bytes, text: bytes, encoding: str = "utf-8") -> None:
        """Keep a text; bytes that are not of the encoding are replaced."""
        if self._fits(text):
            self.texts.append((keyword[:79].decode("latin-1"), text.decode(encoding, "replace")))

    def _fits(self, block: bytes) -> bool:
        count = len(self.xmp) + len(self.texts)
        if (
            not block
            or len(block) > _MAX_BLOCK
            or self._total + len(block) > _MAX_TOTAL
            or count >= _MAX_BLOCKS
        ):
            return False
        self._total += len(block)
        return True


def inflate(packed: bytes) -> bytes:
    """Unpack a zlib stream; b"" where it is damaged or would be longer than a block may be."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(packed, _MAX_BLOCK)
    except zlib.error:
        return b""
    return plain if stream.eof else b""
