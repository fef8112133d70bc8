"""A TIFF structure in, the few EXIF tags that tell of a picture's origin out; nothing else is looked at.

An own reader, because it must bear any bytes: two directories, bounded entries, bounded values, no recursion.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_MAX_ENTRIES = 512
_MAX_VALUE = 2 * 2**20
_EXIF_DIRECTORY = 0x8769
_BYTES, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 2, 3, 4, 5, 7
_SIZES = {_BYTES: 1, _ASCII: 1, _SHORT: 2, _LONG: 4, _RATIONAL: 8, _UNDEFINED: 1, 10: 8}

# EXIF 2.32 (CIPA DC-008), by the names of the standard.
_TEXTS = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x013B: "Artist",
    0x9003: "DateTimeOriginal",
    0xA434: "LensModel",
}
_NUMBERS = {0x829A: "ExposureTime", 0x829D: "FNumber", 0x8827: "ISO", 0x920A: "FocalLength"}
_USER_COMMENT, _MAKER_NOTE = 0x9286, 0x927C

Order = Literal["<", ">"]


@dataclass(frozen=True, slots=True)
class _Entry:
    tag: int
    kind: int
    value: bytes


def read_exif(block: bytes) -> dict[str, str]:
    """Read the tags of origin.

    Args:
        block: A TIFF structure of any origin.

    Returns:
        Names of EXIF tags and their texts; numbers as decimals. Empty where the block is none. Never raises.
    """
    orders: dict[bytes, Order] = {b"II": "<", b"MM": ">"}
    order = orders.get(block[:2])
    if order is None or len(block) < 8:
        return {}
    (first,) = struct.unpack_from(order + "L", block, 4)
    found: dict[str, str] = {}
    directories = [first]
    for position in directories:
        for entry in _entries(block, position, order):
            if entry.tag == _EXIF_DIRECTORY and len(directories) == 1 and len(entry.value) == 4:
                directories.append(struct.unpack(order + "L", entry.value)[0])
            else:
                _keep(entry, order, found)
    return found


def _entries(block: bytes, position: int, order: Order) -> Iterator[_Entry]:
    if position + 2 > len(block):
        return
    (count,) = struct.unpack_from(order + "H", block, position)
    for index in range(min(count, _MAX_ENTRIES)):
        at = position + 2 + 12 * index
        if at + 12 > len(block):
            return
        tag, kind, number = struct.unpack_from(order + "HHL", block, at)
        length = _SIZES.get(kind, 0) * number
        if not 0 < length <= _MAX_VALUE:
            continue
        start = at + 8 if length <= 4 else struct.unpack_from(order + "L", block, at + 8)[0]
        value = block[start : start + length]
        if len(value) == length:
            yield _Entry(tag, kind, value)


def _keep(entry: _Entry, order: Order, found: dict[str, str]) -> None:
    if entry.tag in _TEXTS:
        text = entry.value.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
        if text:
            found.setdefault(_TEXTS[entry.tag], text)
    elif entry.tag in _NUMBERS:
        number = _number(entry, order)
        if number is not None:
            found.setdefault(_NUMBERS[entry.tag], f"{number:g}")
    elif entry.tag == _USER_COMMENT:
        found.setdefault("UserComment", _comment(entry.value, order))
    elif entry.tag == _MAKER_NOTE:
        found.setdefault("MakerNote", f"{len(entry.value)} bytes")


def _number(entry: _Entry, order: Order) -> float | None:
    if entry.kind == _SHORT:
        return float(struct.unpack_from(order + "H", entry.value)[0])
    if entry.kind == _LONG:
        return float(struct.unpack_from(order + "L", entry.value)[0])
    if entry.kind == _RATIONAL:
        above, below = struct.unpack_from(order + "LL", entry.value)
        return above / below if below else None
    return None


def _comment(value: bytes, order: Order) -> str:
    """Decode a UserComment: eight bytes name its code; writers disagree on the byte order of `UNICODE`."""
    code, text = value[:8], value[8:]
    if code.startswith(b"UNICODE"):
        # Mostly ASCII, so that the zeros lie on the high bytes and tell the order.
        zeros_first, zeros_second = text[0:400:2].count(0), text[1:400:2].count(0)
        if zeros_first == zeros_second:
            encoding = "utf-16-le" if order == "<" else "utf-16-be"
        else:
            encoding = "utf-16-be" if zeros_first > zeros_second else "utf-16-le"
        return text.decode(encoding, "replace").strip("\0 ")
    if code.startswith((b"ASCII", b"\0\0\0\0")):
        return text.decode("utf-8", "replace").strip("\0 ")
    return value.decode("utf-8", "replace").strip("\0 ")
