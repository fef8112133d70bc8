"""Copies of a picture are found through codecs and scales; a second measure refuses what only collides."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from src.data.duplicates import (
    MAX_BITS,
    MAX_COLOUR,
    colour_distance,
    difference_hash,
    hash_from_hex,
    hash_to_hex,
    near_pairs,
    same_shape,
)
from src.imaging.decode import decode
from tests.support.pictures import encode, picture


def bits(a: Image.Image, b: Image.Image) -> int:
    return int(np.bitwise_count(difference_hash(a) ^ difference_hash(b)).sum())


def packshot(colour: str, size: tuple[int, int] = (300, 300)) -> Image.Image:
    image = Image.new("RGB", size, "white")
    width, height = size
    ImageDraw.Draw(image).rectangle((width * 0.45, height * 0.1, width * 0.55, height * 0.9), fill=colour)
    return image


def test_rescaled_and_reencoded_copy_is_near() -> None:
    image = picture(3, (400, 300))
    copy = decode(encode(image.resize((200, 150)), "JPEG", quality=60))
    assert bits(image, copy) <= MAX_BITS
    assert colour_distance(image, copy) < MAX_COLOUR
    assert same_shape(image, copy)


def test_other_pictures_are_far() -> None:
    assert min(bits(picture(a), picture(b)) for a in range(5) for b in range(5, 10)) > MAX_BITS


def test_slim_things_on_white_collide_in_their_hash_and_differ_in_colour_or_shape() -> None:
    assert bits(packshot("navy"), packshot("orange")) <= MAX_BITS
    assert colour_distance(packshot("navy"), packshot("orange")) > MAX_COLOUR
    assert colour_distance(packshot("navy"), packshot("navy", (300, 500))) < MAX_COLOUR
    assert not same_shape(packshot("navy"), packshot("navy", (300, 500)))


def test_plain_pictures_are_compared_whole() -> None:
    assert colour_distance(Image.new("RGB", (50, 50), "white"), Image.new("RGB", (50, 50), "black")) == 255.0


@given(arrays(np.uint64, 4))
def test_hex_form_is_lossless(value: np.ndarray) -> None:
    assert np.array_equal(hash_from_hex(hash_to_hex(value)), value)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 40), st.integers(1, 7))
def test_blocks_find_exactly_what_comparing_one_by_one_finds(seed: int, count: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**63, (count, 4), dtype=np.uint64)
    for row in range(count // 2):  # give half of them a neighbour some bits away
        hashes[-row - 1] = hashes[row] ^ np.uint64(int(rng.integers(0, 2**14)))
    wanted = [
        (i, j, int(np.bitwise_count(hashes[i] ^ hashes[j]).sum()))
        for i in range(count)
        for j in range(i + 1, count)
    ]
    found = near_pairs(hashes, block=block)
    assert sorted(found) == [pair for pair in wanted if pair[2] <= MAX_BITS]
