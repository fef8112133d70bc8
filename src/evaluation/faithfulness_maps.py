"""What is done to one picture to see whether its heatmap is right: cover, show, and splice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from src.evaluation.faithfulness_page import FRACTIONS, TESTS, Order, Test
from src.imaging.degrade import jpeg
from src.inference.detector import Detection
from src.utils.errors import DataError
from src.utils.model_card import ModelCard

_BLUR = 1 / 24
"""Radius of the blur that covers, as a share of the long side: no texture survives it, all colours do."""
_SAVED = 90


class Judge(Protocol):
    """The part of `Detector` that is needed here."""

    @property
    def card(self) -> ModelCard:
        """The contract of the loaded model."""
        ...

    def detect(self, photo: Image.Image) -> Detection:
        """Judge one picture."""
        ...


def orders(heat: NDArray[np.float64], *, fake: bool, seed: int) -> dict[Order, NDArray[np.int64]]:
    """Cells [G x G] from the first to the last that is covered or shown, by each rule.

    Args:
        heat: float64 [G, G].
        fake: The verdict; for `real` the evidence is where the map is lowest.
        seed: Of the random order.
    """
    middle = (len(heat) - 1) / 2
    rows, columns = np.indices(heat.shape)
    away = np.hypot(rows - middle, columns - middle)
    return {
        "map": np.argsort(-heat.ravel() if fake else heat.ravel(), kind="stable"),
        "random": np.random.default_rng(seed).permutation(heat.size),
        "centre": np.argsort(away.ravel(), kind="stable"),
    }


def cover(image: Image.Image, blurred: Image.Image, cells: NDArray[np.int64], grid: int) -> Image.Image:
    """The picture with some cells of a grid of `grid` x `grid` taken from its blurred form."""
    marked = np.zeros(grid * grid, np.uint8)
    marked[cells] = 255
    mask = Image.fromarray(marked.reshape(grid, grid)).resize(image.size, Image.Resampling.NEAREST)
    return Image.composite(blurred, image, mask)


def curves(judge: Judge, image: Image.Image, seed: int) -> dict[tuple[Test, Order], list[float]]:
    """Probability of the photo's own verdict along `FRACTIONS`, for each test and order."""
    whole = judge.detect(image)
    if whole.heatmap is None:
        raise DataError("the model gives no heatmap")
    fake = whole.label == "ai_generated"
    blurred = image.filter(ImageFilter.GaussianBlur(max(image.size) * _BLUR))

    def chance(picture: Image.Image) -> float:
        probability = judge.detect(picture).probability
        return probability if fake else 1.0 - probability

    ends = {False: whole.confidence, True: chance(blurred)}
    found: dict[tuple[Test, Order], list[float]] = {}
    for order, cells in orders(np.array(whole.heatmap), fake=fake, seed=seed).items():
        for test in TESTS:
            delete = test == "deletion"
            first, last = ends[not delete], ends[delete]
            between = []
            for fraction in FRACTIONS[1:-1]:
                count = round(fraction * len(cells))
                covered = cells[:count] if delete else cells[count:]
                between.append(chance(cover(image, blurred, covered, len(whole.heatmap))))
            found[test, order] = [first, *between, last]
    return found


def area(values: Sequence[float]) -> float:
    """Area under a curve over `FRACTIONS`."""
    return float(sum((b - a) * (v + w) / 2 for a, b, v, w in _pieces(values)))


def _pieces(values: Sequence[float]) -> list[tuple[float, float, float, float]]:
    return list(zip(FRACTIONS, FRACTIONS[1:], values, values[1:], strict=False))


def splice(real: Image.Image, fake: Image.Image, *, upright: bool, fake_first: bool) -> Image.Image:
    """One picture of two halves, saved once as a whole so that both end in the same codec.

    Args:
        real: A photo.
        fake: An AI-generated picture; it is brought to the photo's size.
        upright: The seam is vertical.
        fake_first: The fake is the left or the upper half.
    """
    first, second = (fake, real) if fake_first else (real, fake)
    size = (min(real.width, fake.width), min(real.height, fake.height))
    first, second = (each.resize(size, Image.Resampling.BICUBIC) for each in (first, second))
    half = (size[0] // 2, size[1]) if upright else (size[0], size[1] // 2)
    joined = second.copy()
    joined.paste(first.crop((0, 0, *half)), (0, 0))
    return jpeg(joined, _SAVED)


def share_on_fake(heat: NDArray[np.float64], *, upright: bool, fake_first: bool) -> float:
    """Share of the map's mass that lies on the fake half."""
    lying = heat if upright else heat.T
    first = float(lying[:, : lying.shape[1] // 2].sum())
    part = first if fake_first else float(lying.sum()) - first
    return part / max(float(lying.sum()), 1e-9)
