"""Pillow keeps what it frees, and no more than it was told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from src.inference.blocks import keep_blocks
from tests.support.pictures import picture


@pytest.fixture
def pillow() -> Iterator[Any]:
    core = Image.core
    size, most = core.get_block_size(), core.get_blocks_max()
    yield core
    core.set_blocks_max(most)
    core.set_block_size(size)


def test_memory_of_one_picture_serves_the_next(pillow: Any) -> None:
    keep_blocks()
    large = picture(0, (1600, 1200))
    large.copy()
    before = pillow.get_stats()
    large.copy()
    after = pillow.get_stats()
    assert after["reused_blocks"] > before["reused_blocks"]
    assert after["allocated_blocks"] == before["allocated_blocks"]


def test_what_is_kept_is_bounded(pillow: Any) -> None:
    keep_blocks()
    assert pillow.get_block_size() * pillow.get_blocks_max() <= 16 * 2**20
    pictures = [Image.new("RGB", (1600, 1200)) for _ in range(12)]
    pictures.clear()
    assert pillow.get_stats()["blocks_cached"] <= pillow.get_blocks_max()


def test_pixels_are_the_same(pillow: Any) -> None:
    photo = picture(3, (900, 700))
    before = photo.resize((300, 200)).tobytes()
    keep_blocks()
    assert photo.resize((300, 200)).tobytes() == before
