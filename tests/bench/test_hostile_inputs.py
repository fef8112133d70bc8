"""Hostile uploads are the same for the same seed, of every kind, and as bad as they are meant to be."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bench.hostile_inputs import MAKERS, hostile
from bench.load import BOUNDARY


def file_of(body: bytes) -> bytes:
    return body.partition(b"\r\n\r\n")[2].removesuffix(f"\r\n--{BOUNDARY}--\r\n".encode())


def test_a_seed_makes_the_same_upload_and_all_kinds_take_turns():
    kinds = {hostile(seed).kind for seed in range(len(MAKERS))}
    assert len(kinds) == len(MAKERS) >= 15
    assert hostile(37) == hostile(37)
    assert hostile(5).body != hostile(5 + len(MAKERS)).body


def test_a_bomb_is_small_and_says_to_be_huge():
    bombs = [hostile(len(MAKERS) * n) for n in range(12)]
    assert {bomb.kind for bomb in bombs} == {"bomb"}
    sizes = []
    for bomb in bombs:
        data = file_of(bomb.body)
        width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
        assert len(data) * 20 < width * height
        sizes.append(width * height)
    assert max(sizes) > 178_956_970


@pytest.mark.parametrize("kind", ["path_name", "odd_headers"])
def test_some_are_photos_that_nothing_is_wrong_with_but_their_wrapping(kind):
    uploads = [hostile(seed) for seed in range(len(MAKERS))]
    data = next(file_of(upload.body) for upload in uploads if upload.kind == kind)
    assert Image.open(io.BytesIO(data)).size == (320, 240)
