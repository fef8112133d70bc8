"""Projected gradient descent on a picture's pixels against a model file, also through the defence.

Madry et al. 2018, with the momentum-free sign step; through the defence by straight-through gradients (BPDA,
Athalye et al. 2018). The attacker knows network, views and defence, and uploads a lossless file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from src.evaluation.adversarial_gradient import Gradient, gradient_of
from src.imaging.degrade import jpeg
from src.imaging.views import normalise, whole
from src.utils.errors import ConfigError
from src.utils.model_card import ModelCard

FloatArray = NDArray[np.float64]
_STEP = 2.5  # times epsilon over the number of steps, as in the source: any corner can be reached and left
_QUALITY = 75
_SHRINK = 0.75


def defend(image: Image.Image) -> Image.Image:
    """The defence: 3/4 of the size, then JPEG 75, before a photo is scored."""
    return jpeg(image.resize(defended_size(image.size), Image.Resampling.BICUBIC), _QUALITY)


def defended_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height after the defence."""
    return max(32, round(size[0] * _SHRINK)), max(32, round(size[1] * _SHRINK))


@cache
def resampling(length: int, target: int) -> FloatArray:
    """Pillow's bicubic filter along one axis as a matrix, float64 [target, length]."""
    unit = Image.fromarray(np.eye(length, dtype=np.float32))
    return np.asarray(unit.resize((length, target), Image.Resampling.BICUBIC), np.float64)


def pull_back(slope: FloatArray, size: tuple[int, int]) -> FloatArray:
    """The gradient by the pixels of a picture of `size`, from that by its resized form, float [h, w, 3]."""
    width, height = size
    rows, columns = resampling(height, slope.shape[0]), resampling(width, slope.shape[1])
    pulled: FloatArray = np.einsum("ab,acd,ce->bed", rows, slope, columns, optimize=True)
    return pulled


@dataclass(frozen=True, eq=False)
class Target:
    """A network as an attacker sees it: file, card, and the gradients that were needed so far.

    Raises:
        ConfigError: The card's views hold crops, whose places hang on the pixels.
    """

    model: Path
    card: ModelCard

    def __post_init__(self) -> None:
        if self.card.views.crops:
            raise ConfigError("the attack knows whole views alone: this card counts crops")

    @cached_property
    def _gradients(self) -> dict[tuple[int, int], Gradient]:
        return {}

    def slope(self, image: Image.Image) -> FloatArray:
        """The gradient of the photo's logit by its pixels, float64 [h, w, 3]; codec rounding aside."""
        card, total = self.card, np.zeros((image.height, image.width, 3))
        for size in card.views.global_sizes:
            view = normalise(whole(image, size), card.mean, card.std)[None]
            shape = (view.shape[2], view.shape[3])
            if shape not in self._gradients:
                self._gradients[shape] = gradient_of(self.model, *shape)
            _, slope = self._gradients[shape](view)
            by_pixel = slope[0].astype(np.float64).transpose(1, 2, 0) / (255 * np.array(card.std))
            total += pull_back(by_pixel, image.size)
        return total / len(card.views.global_sizes)

    def slope_through_defence(self, image: Image.Image) -> FloatArray:
        """The same for a picture that is defended first; the codec counts as if it changed nothing."""
        return pull_back(self.slope(defend(image)), image.size)


def attack(
    image: Image.Image,
    slope: Callable[[Image.Image], FloatArray],
    *,
    epsilon: int,
    steps: int,
    raise_logit: bool,
    rng: np.random.Generator,
) -> Image.Image:
    """A picture at most `epsilon` grey levels from `image` in every channel that moves the logit.

    Args:
        image: Picture of mode RGB.
        slope: The gradient of the logit by the pixels of a picture.
        epsilon: Of 255.
        steps: Gradient steps, from a random start.
        raise_logit: Whether to make the picture look AI-generated; else real.
        rng: Of the start.
    """
    start = np.asarray(image, np.float64)
    low, high = np.maximum(start - epsilon, 0), np.minimum(start + epsilon, 255)
    pixels = np.clip(start + rng.uniform(-epsilon, epsilon, start.shape), low, high)
    step = _STEP * epsilon / steps * (1 if raise_logit else -1)
    for _ in range(steps):
        pixels = np.clip(pixels + step * np.sign(slope(_rounded(pixels))), low, high)
    return _rounded(pixels)


def _rounded(pixels: FloatArray) -> Image.Image:
    return Image.fromarray(np.rint(pixels).astype(np.uint8))
