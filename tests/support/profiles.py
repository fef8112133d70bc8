"""Small ICC profiles (version 2) written by hand, so that no vendor's profile has to be stored."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable

# Columns red, green, blue in XYZ (D50) of Adobe RGB (1998), after Lindbloom; its tone curve is 2.2 (563/256).
ADOBE_RGB = (
    (0.6097559, 0.3111242, 0.0194811),
    (0.2052401, 0.6256560, 0.0608902),
    (0.1492240, 0.0632197, 0.7448387),
)
ADOBE_GAMMA = 563 / 256
_D50 = (0.9642, 1.0, 0.8249)


def matrix_profile(
    primaries: tuple[tuple[float, float, float], ...] = ADOBE_RGB,
    gamma: float = ADOBE_GAMMA,
    description: str = "test matrix",
) -> bytes:
    """RGB profile of three primaries and one gamma."""
    tags = {name: _xyz(value) for name, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    tags |= {name: _gamma(gamma) for name in (b"rTRC", b"gTRC", b"bTRC")}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags, description)


def grey_profile(gamma: float, description: str = "test grey") -> bytes:
    """Grey profile of one gamma."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _gamma(gamma)}, description)


def cmyk_profile(lightness: Callable[[tuple[int, ...]], float], description: str = "test press") -> bytes:
    """Press profile that prints only greys: `lightness` (0 to 100) of every corner (c, m, y, k in 0, 1)."""
    identity = bytes(range(256))
    lattice = b"".join(
        bytes((round(lightness(corner) * 2.55), 128, 128)) for corner in itertools.product((0, 1), repeat=4)
    )
    matrix = struct.pack(">9i", *(65536 if index % 4 == 0 else 0 for index in range(9)))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + identity * 4 + lattice + identity * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table}, description)


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _xyz(value: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*value)


def _gamma(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def _profile(
    kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes], description: str
) -> bytes:
    text = description.encode("ascii") + b"\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67),
        b"cprt": b"text\0\0\0\0no copyright\0",
        b"wtpt": _xyz(_D50),
        **tags,
    }
    directory, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        directory += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = start + len(body)
    header = struct.pack(">II4s4s4s4s", size, 0, b"\x02\x20\0\0", kind, space, connection)
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(*_D50)
    return header.ljust(128, b"\0") + directory + body
