"""Pillow keeps what it frees, and no more than it was told."""

from __future__ import annotations

import platform
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from src.inference.blocks import Blocks, give_back, let_go
from src.inference.detector import Detector
from tests.support.pictures import picture
from tests.support.service import quiet_settings
from tests.support.tiny_model import write_tiny_model


@pytest.fixture
def pillow() -> Iterator[Any]:
    core = Image.core
    size, most = core.get_block_size(), core.get_blocks_max()
    yield core
    core.set_blocks_max(most)
    core.set_block_size(size)


def test_memory_of_one_picture_serves_the_next(pillow: Any) -> None:
    Blocks()
    large = picture(0, (1600, 1200))
    large.copy()
    before = pillow.get_stats()
    large.copy()
    after = pillow.get_stats()
    assert after["reused_blocks"] > before["reused_blocks"]
    assert after["allocated_blocks"] == before["allocated_blocks"]


def test_what_is_kept_is_bounded(pillow: Any) -> None:
    Blocks()
    assert pillow.get_block_size() * pillow.get_blocks_max() <= 16 * 2**20
    pictures = [Image.new("RGB", (1600, 1200)) for _ in range(12)]
    pictures.clear()
    assert pillow.get_stats()["blocks_cached"] <= pillow.get_blocks_max()


def test_pixels_are_the_same(pillow: Any) -> None:
    photo = picture(3, (900, 700))
    before = photo.resize((300, 200)).tobytes()
    Blocks()
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


def test_a_huge_picture_is_tidied_away_and_a_usual_one_is_not(pillow: Any) -> None:
    blocks = Blocks()
    usual = Image.new("RGB", (1600, 1200))
    del usual
    assert not blocks.tidy()
    huge = Image.new("RGB", (6000, 6000))
    del huge
    assert blocks.tidy() is (platform.libc_ver()[0] == "glibc")
    assert not blocks.tidy()


def test_an_error_keeps_nothing_of_the_photo_it_is_about() -> None:
    class Pixels:
        pass

    def fail() -> None:
        pixels = Pixels()
        refs.append(weakref.ref(pixels))
        try:
            int("inner")
        except ValueError as error:
            raise LookupError("outer") from error

    refs: list[weakref.ref[Pixels]] = []
    try:
        fail()
    except LookupError as caught:
        kept = caught
    assert refs[0]() is not None
    let_go(kept)
    assert refs[0]() is None
    assert isinstance(kept.__cause__, ValueError)


def test_a_replaced_model_is_given_back_where_memory_is_minded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pillow: Any
) -> None:
    given_back: list[bool] = []
    monkeypatch.setattr("src.inference.detector.give_back", lambda: given_back.append(True))
    path = write_tiny_model(tmp_path / "m.onnx")
    detector = Detector.from_settings(quiet_settings(path))
    given_back.clear()
    del detector
    assert given_back == [True]
    plain = Detector.from_file(path, threads=1)
    del plain
    assert given_back == [True]
