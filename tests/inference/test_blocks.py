"""Pillow keeps what it frees, and no more than it was told."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from PIL import Image

from src.inference.blocks import give_back, keep_blocks
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


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc keeps what is freed between pieces in use"
)
def test_freed_memory_goes_back_to_the_system() -> None:
    pieces = [bytes(10_000) for _ in range(10_000)]
    kept = pieces[::50]  # in between, so that nothing is returned by itself
    full = psutil.Process().memory_info().rss
    pieces.clear()
    assert give_back()
    assert kept
    assert psutil.Process().memory_info().rss < full - 50 * 10**6
