"""Degradations lose what the web loses: never larger, always RGB, the same for one state of the generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from src.imaging.degrade import TIERS, Tier, apply_tier, jpeg, resize_long, screenshot, webp
from tests.support.pictures import difference, picture

sizes = st.tuples(st.integers(1, 120), st.integers(1, 120))
Degradation = Callable[[Image.Image, int], Image.Image]
DEGRADATIONS: dict[str, Degradation] = {
    "jpeg": lambda image, seed: jpeg(image, 1 + seed % 95),
    "webp": lambda image, seed: webp(image, seed % 101),
    "resize": lambda image, seed: resize_long(image, 1 + seed % 200),
    "screenshot": lambda image, seed: screenshot(image, np.random.default_rng(seed)),
    **{tier: lambda image, seed, tier=tier: apply_tier(image, tier) for tier in TIERS},  # type: ignore[misc]
}


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(DEGRADATIONS)), seed=st.integers(0, 1_000), size=sizes)
def test_degradations_never_enlarge_keep_rgb_and_repeat(name: str, seed: int, size: tuple[int, int]) -> None:
    image = picture(seed, size)
    before = image.tobytes()
    result = DEGRADATIONS[name](image, seed)
    assert result.mode == "RGB"
    assert 1 <= result.width <= image.width
    assert 1 <= result.height <= image.height
    assert result.tobytes() == DEGRADATIONS[name](image, seed).tobytes()
    assert image.tobytes() == before


@pytest.mark.parametrize("encoder", [jpeg, webp])
def test_lower_quality_loses_more(encoder: Callable[[Image.Image, int], Image.Image]) -> None:
    image = picture(1, (160, 120))
    losses = [difference(image, encoder(image, quality)) for quality in (95, 60, 15)]
    assert 0 < losses[0] < losses[1] < losses[2] < 30


def test_subsampling_loses_colour() -> None:
    image = picture(2, (160, 120))
    assert difference(image, jpeg(image, 90, "4:4:4")) < difference(image, jpeg(image, 90, "4:2:0"))


def test_webp_fits_what_the_format_cannot_hold() -> None:
    assert max(webp(Image.new("RGB", (17_000, 2)), 50).size) == 16_383


@given(size=sizes, long_side=st.integers(1, 150))
def test_resizing_keeps_the_aspect(size: tuple[int, int], long_side: int) -> None:
    image = Image.new("RGB", size)
    result = resize_long(image, long_side)
    if max(size) <= long_side:
        assert result is image
        return
    assert max(result.size) == long_side
    scale = long_side / max(size)
    assert all(abs(new - max(1, old * scale)) <= 0.5 for new, old in zip(result.size, size, strict=True))


def test_resizing_uses_the_filter_that_was_asked_for() -> None:
    image = picture(3, (100, 80))
    nearest = resize_long(image, 50, Image.Resampling.NEAREST)
    assert nearest.tobytes() == image.resize((50, 40), Image.Resampling.NEAREST).tobytes()


def test_screenshots_differ_but_show_the_picture() -> None:
    image = picture(4, (200, 150))
    shots = [screenshot(image, np.random.default_rng(seed)) for seed in range(20)]
    assert len({shot.size for shot in shots}) > 10
    for shot in shots:
        assert shot.width > 0.45 * image.width
        assert difference(shot.resize((8, 6)), image.resize((8, 6))) < 40


@pytest.mark.parametrize(("tier", "long_side"), [("clean", 1_000), ("web", 768), ("hard", 384)])
def test_tiers_bound_the_long_side(tier: Tier, long_side: int) -> None:
    assert max(apply_tier(picture(5, (1_000, 500)), tier).size) == long_side
    assert apply_tier(picture(5, (200, 100)), tier).size == (200, 100)


def test_clean_is_the_picture_itself_and_the_others_lose_in_order() -> None:
    image = picture(6, (300, 200))
    assert apply_tier(image, "clean") is image
    web, hard = apply_tier(image, "web"), apply_tier(image, "hard")
    assert 0 < difference(image, web) < difference(image, hard)
    assert web.tobytes() == jpeg(image, 60).tobytes()
