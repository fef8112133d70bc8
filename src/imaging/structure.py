"""Walks a file's container before Pillow sees it: how many frames it lists, whether its parts are sane.

Decoders spend time for every part of a container, so that a small file of millions of empty parts, or of
thousands of JPEG scans, holds a server for minutes. The bounds below lie far above anything that a camera,
an editor or a generator writes.
"""

from __future__ import annotations

import re
import struct

from src.utils.errors import CorruptImage, UnsupportedImage

_MAX_JPEG_SEGMENTS = 5_000
_MAX_JPEG_SCANS = 64  # every scan passes over all pixels; usual progressive scripts have about ten
_MAX_PNG_CHUNKS = 100_000
_MAX_GIF_BLOCKS = 500_000
_MAX_TIFF_ENTRIES = 4_096
_MAX_TIFF_VALUES = 200_000  # one strip per row and colour of the longest side, and room to spare
_MAX_RLE_BYTES = 4 * 2**20  # Pillow decodes run-length BMP in pure Python

# A marker is never 00 (a stuffed byte), FF (a fill byte) or D0-D7 (a restart inside a scan).
_JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_JPEG_BARE = (0x01, 0xD8)
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_GIF_IMAGE, _GIF_EXTENSION, _GIF_END = 0x2C, 0x21, 0x3B
_TIFF_BYTE_TYPES = (1, 2, 6, 7)
_BMP_RUN_LENGTH = (1, 2)


def survey(data: bytes, name: str, max_frames: int) -> int:
    """Counts the frames of a file without decoding, in time linear in its length.

    Args:
        data: The whole file.
        name: Its format, as `sniff_format` names it.
        max_frames: Where counting may stop.

    Returns:
        Number of frames, at most `max_frames + 1`; 1 for formats whose header states it to Pillow.

    Raises:
        CorruptImage: The container has more parts than any honest file.
        UnsupportedImage: A run-length BMP that would take too long.
    """
    if name == "GIF":
        return _survey_gif(data, max_frames)
    if name == "TIFF":
        return _survey_tiff(data, max_frames)
    if name == "JPEG":
        _survey_jpeg(data)
    elif name == "PNG":
        _survey_png(data)
    elif name == "BMP" and len(data) > _MAX_RLE_BYTES and data[30] in _BMP_RUN_LENGTH:
        raise UnsupportedImage("A run-length BMP of this size is not read.")
    return 1


def _survey_jpeg(data: bytes) -> None:
    position, segments, scans = 2, 0, 0
    while found := _JPEG_MARKER.search(data, position):
        marker = found[1][0]
        segments += 1
        scans += marker == _JPEG_SCAN
        if segments > _MAX_JPEG_SEGMENTS or scans > _MAX_JPEG_SCANS:
            raise CorruptImage("The JPEG has an absurd number of segments or scans.")
        if marker == _JPEG_END and scans:
            return
        position = found.end()
        if marker not in _JPEG_BARE and marker != _JPEG_END:
            position += max(2, int.from_bytes(data[position : position + 2], "big"))


def is_buffered_jpeg(data: bytes) -> bool:
    """Must libjpeg keep the coefficients of all pixels (two bytes each) until the last scan has come?

    It must when the file is progressive, or when its first scan lacks a component.
    """
    position, components = 2, 0
    while found := _JPEG_MARKER.search(data, position):
        marker, position = found[1][0], found.end()
        if marker in _JPEG_PROGRESSIVE:
            return True
        if marker in _JPEG_FRAMES:
            components = int.from_bytes(data[position + 7 : position + 8], "big")
        if marker == _JPEG_SCAN:
            return int.from_bytes(data[position + 2 : position + 3], "big") < components
        if marker not in _JPEG_BARE and marker != _JPEG_END:
            position += max(2, int.from_bytes(data[position : position + 2], "big"))
    return False


def _survey_png(data: bytes) -> None:
    position, chunks = 8, 0
    while position + 8 <= len(data):
        chunks += 1
        if chunks > _MAX_PNG_CHUNKS:
            raise CorruptImage("The PNG has an absurd number of chunks.")
        position += 12 + int.from_bytes(data[position : position + 4], "big")


def _survey_gif(data: bytes, max_frames: int) -> int:
    position = 13 + (_colour_table(data[10]) if len(data) > 10 else 0)
    frames, blocks = 0, 0
    while position < len(data) and frames <= max_frames:
        kind = data[position]
        position += 1
        if kind == _GIF_END:
            break
        if kind == _GIF_IMAGE:
            frames += 1
            flags = data[position + 8] if position + 8 < len(data) else 0
            position += 10 + _colour_table(flags)
        elif kind == _GIF_EXTENSION:
            position += 1
        else:
            # Pillow, too, steps over bytes that are no block.
            continue
        while position < len(data) and data[position]:
            position += 1 + data[position]
            blocks += 1
            if blocks > _MAX_GIF_BLOCKS:
                raise CorruptImage("The GIF has an absurd number of blocks.")
        position += 1
    return max(frames, 1)


def _colour_table(flags: int) -> int:
    """Bytes of the colour table that a GIF descriptor announces."""
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0


def _survey_tiff(data: bytes, max_frames: int) -> int:
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    word, number, entry = ("Q", "Q", "HHQ8s") if big else ("L", "H", "HHL4s")
    number_size, entry_size = struct.calcsize("=" + number), struct.calcsize("=" + entry)
    seen: set[int] = set()
    try:
        (position,) = struct.unpack_from(order + word, data, 8 if big else 4)
        while position and position not in seen and len(seen) <= max_frames:
            (entries,) = struct.unpack_from(order + number, data, position)
            if entries > _MAX_TIFF_ENTRIES:
                raise CorruptImage("The TIFF has an absurd number of tags.")
            start, end = position + number_size, position + number_size + entries * entry_size
            if not seen:
                for _, kind, count, _ in struct.iter_unpack(order + entry, data[start:end]):
                    if kind not in _TIFF_BYTE_TYPES and count > _MAX_TIFF_VALUES:
                        raise CorruptImage("The TIFF has an absurd number of strips or tiles.")
            seen.add(position)
            (position,) = struct.unpack_from(order + word, data, end)
    except (struct.error, OverflowError):
        # The chain of directories leaves the file; whether the first one can be read is Pillow's to say.
        pass
    return max(len(seen), 1)
