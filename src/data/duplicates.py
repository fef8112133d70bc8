"""Perceptual hashes of pictures come in, pairs that show (nearly) the same picture go out.

Difference hash of 16 x 16 bits (N. Krawetz, "Kind of Like That", 2013): survives rescaling and re-encoding.
On packshots it also confuses any two slim things on white, so a second measure looks at their colours.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 16
WORDS = SIDE * SIDE // 64
MAX_BITS = 10
MAX_COLOUR = 32.0

_MARGIN = 2  # grey levels
_THUMB = 32
_GROUND_TOLERANCE = 20
_ASPECT_TOLERANCE = 0.1

Hashes = NDArray[np.uint64]


class NearPair(NamedTuple):
    """Two rows of a hash table, `first < second`, and the number of bits in which they differ."""

    first: int
    second: int
    bits: int


def difference_hash(image: Image.Image) -> Hashes:
    """256 bits, uint64 [4]: is each cell of a 16 x 17 grey thumbnail clearly brighter than its left one?

    Without a margin, plain ground answers by its codec noise: of real photos re-encoded at half their size
    and quality 50, 15 % were then more than 10 bits away, with it 2 %.
    """
    grey = image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BILINEAR)
    cells = np.asarray(grey, dtype=np.int16)
    bits = cells[:, 1:] > cells[:, :-1] + _MARGIN
    return np.packbits(bits.reshape(-1)).view(">u8").astype(np.uint64)


def hash_to_hex(value: Hashes) -> str:
    """64 hex digits."""
    return "".join(f"{int(word):016x}" for word in value)


def hash_from_hex(text: str) -> Hashes:
    """The inverse of `hash_to_hex`."""
    return np.array([int(text[at : at + 16], 16) for at in range(0, 16 * WORDS, 16)], dtype=np.uint64)


def near_pairs(hashes: Hashes, max_bits: int = MAX_BITS, block: int = 256) -> list[NearPair]:
    """All pairs at a Hamming distance of at most `max_bits`, in order.

    Args:
        hashes: uint64 [N, 4].
        max_bits: Largest distance.
        block: Rows compared at once with all later ones; bounds the memory to block x N x 4 words.
    """
    pairs: list[NearPair] = []
    for start in range(0, len(hashes), block):
        rows = hashes[start : start + block]
        later = hashes[start:]
        distance = np.bitwise_count(rows[:, None, :] ^ later[None, :, :]).sum(axis=2, dtype=np.int64)
        for row, column in np.argwhere(distance <= max_bits):
            if column > row:
                pairs.append(NearPair(start + int(row), start + int(column), int(distance[row, column])))
    return pairs


def colour_distance(first: Image.Image, second: Image.Image) -> float:
    """Mean absolute RGB difference, 0 to 255, of two 32 x 32 thumbnails where either is not plain ground.

    The ground is each thumbnail's median colour. On the real photos, different products of one shape whose
    hashes collide lie at 41 and above, copies of a picture below 10.
    """
    a, b = (_thumbnail(image) for image in (first, second))
    subject = _off_ground(a) | _off_ground(b)
    if not subject.any():
        return float(np.abs(a - b).mean())
    return float(np.abs(a - b)[subject].mean())


def same_shape(first: Image.Image, second: Image.Image) -> bool:
    """Do both aspect ratios agree within a tenth? A copy keeps its shape, and the hash does not see it."""
    ratio = first.width * second.height / (first.height * second.width)
    return abs(math.log(ratio)) <= _ASPECT_TOLERANCE


def _thumbnail(image: Image.Image) -> NDArray[np.float32]:
    small = image.convert("RGB").resize((_THUMB, _THUMB), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def _off_ground(thumbnail: NDArray[np.float32]) -> NDArray[np.bool_]:
    ground = np.median(thumbnail, axis=(0, 1))
    off: NDArray[np.bool_] = np.abs(thumbnail - ground).max(axis=2) > _GROUND_TOLERANCE
    return off
