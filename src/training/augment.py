"""One training view out of a decoded photo: where it is cut, at which scale, through which codecs.

Every random choice is drawn without looking at the label, so that no degradation can stand for a verdict.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from src.imaging.degrade import Subsampling, jpeg, screenshot, webp
from src.imaging.views import cut_square, detail
from src.training.config import AugmentConfig

_FILTERS = (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BILINEAR)
_SUBSAMPLINGS: tuple[Subsampling, ...] = ("4:4:4", "4:2:0", "4:2:0")
CELL = 32
"""Side in px of the input that one place of the network's last feature map stands for."""
_CORNER = 0.11
"""Side of the corner that may be hidden: some generators sign there with a small mark."""


def crop_view(
    pixels: NDArray[np.uint8], size: int, config: AugmentConfig, rng: np.random.Generator
) -> Image.Image:
    """A square of `size` px at the photo's own scale or, at times, smaller; of two places the richer."""
    short = min(pixels.shape[:2])
    scale = _scale(config, rng) if rng.random() < config.rescale else 1.0
    side = min(short, round(size / scale))
    at = max((_place(pixels, side, rng) for _ in range(2)), key=lambda at: _detail_at(pixels, at, side))
    region = _resized(_region(pixels, at, side, config, rng), size, rng)
    return _finish(_recoded(region, config, rng), config, rng)


def global_view(
    pixels: NDArray[np.uint8], size: int, config: AugmentConfig, rng: np.random.Generator
) -> Image.Image:
    """Most of the photo's square in `size` px, often by way of a smaller, re-encoded copy of it."""
    region = _recoded(_most(pixels, size, config, rng), config, rng)
    return _finish(_resized(region, size, rng), config, rng)


def spliced_view(
    pixels: NDArray[np.uint8],
    other: NDArray[np.uint8],
    size: int,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """A view into which a rectangle of another photo's view is set, and both go through one codec.

    Returns:
        The view of `size` px and the rectangle (left, top, right, bottom) in cells of `CELL` px, a quarter to
        three quarters of the area.
    """
    view = _resized(_most(pixels, size, config, rng), size, rng)
    patch = _resized(_most(other, size, config, rng), size, rng)
    cells = size // CELL
    wide, high = (max(1, round(cells * math.sqrt(rng.uniform(0.25, 0.75)))) for _ in range(2))
    wide = min(wide, cells - 1) if high == cells else wide  # something of the photo itself stays
    left, top = int(rng.integers(0, cells - wide + 1)), int(rng.integers(0, cells - high + 1))
    box = (left, top, left + wide, top + high)
    pixels_of = (CELL * left, CELL * top, CELL * box[2], CELL * box[3])
    view.paste(patch.crop(pixels_of), pixels_of)
    return _finish(_recoded(view, config, rng), config, rng, flip=False), box


def _most(
    pixels: NDArray[np.uint8], size: int, config: AugmentConfig, rng: np.random.Generator
) -> Image.Image:
    short = min(pixels.shape[:2])
    side = max(16, round(short * math.sqrt(rng.uniform(config.least_area, 1.0))))
    region = _region(pixels, _place(pixels, side, rng), side, config, rng)
    if rng.random() < config.rescale and side > size:
        region = _resized(region, max(size, round(side * _scale(config, rng))), rng)
    return region


def _scale(config: AugmentConfig, rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(math.log(config.smallest_scale), 0.0))


def _place(pixels: NDArray[np.uint8], side: int, rng: np.random.Generator) -> tuple[int, int]:
    height, width = pixels.shape[:2]
    return int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))


def _detail_at(pixels: NDArray[np.uint8], at: tuple[int, int], side: int) -> float:
    left, top = at
    step = max(1, side // 112)
    return detail(np.asarray(pixels[top : top + side : step, left : left + side : step, 1]))


def _region(
    pixels: NDArray[np.uint8],
    at: tuple[int, int],
    side: int,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> Image.Image:
    left, top = at
    region = np.array(pixels[top : top + side, left : left + side])
    if rng.random() < config.hide_corner:
        _hide_corner(region, pixels.shape[0] - top, pixels.shape[1] - left, min(pixels.shape[:2]))
    return Image.fromarray(region)


def _hide_corner(region: NDArray[np.uint8], bottom: int, right: int, short: int) -> None:
    """Copy the neighbourhood over the photo's bottom right corner, where it lies inside the region."""
    mark = round(short * _CORNER)
    y, x = bottom - mark, right - mark
    height, width = region[y:, x:].shape[:2] if y < len(region) and x < region.shape[1] else (0, 0)
    if y >= 0 and x >= mark and height and width:
        region[y:, x:] = region[y : y + height, x - width : x]


def _resized(image: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    if rng.random() < 0.5:  # half of them by the very function that serves
        return cut_square(image, 0, 0, image.width, size)
    resample = _FILTERS[int(rng.integers(len(_FILTERS)))]
    return image.resize((size, size), resample, reducing_gap=3.0) if image.width != size else image


def _recoded(image: Image.Image, config: AugmentConfig, rng: np.random.Generator) -> Image.Image:
    if rng.random() < config.screenshot:
        return _square(screenshot(image, rng), image.width)
    if rng.random() >= config.codec:
        return image
    quality = int(rng.integers(config.lowest_quality, 96))
    if rng.random() < 0.2:
        return webp(image, quality)
    image = jpeg(image, quality, _SUBSAMPLINGS[int(rng.integers(len(_SUBSAMPLINGS)))])
    if rng.random() < 0.15:  # a file that a second platform saved again
        image = jpeg(image, int(rng.integers(60, 96)))
    return image


def _square(image: Image.Image, size: int) -> Image.Image:
    short = min(image.size)
    return cut_square(image, (image.width - short) / 2, (image.height - short) / 2, short, size)


def _finish(
    image: Image.Image, config: AugmentConfig, rng: np.random.Generator, *, flip: bool = True
) -> Image.Image:
    if flip and rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < config.colour:
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            image = enhance(image).enhance(rng.uniform(0.8, 1.2))
    if rng.random() < config.blur_or_noise:
        if rng.random() < 0.5:
            return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
        noisy = np.asarray(image, np.float32) + rng.normal(0, rng.uniform(1, 6), (*image.size[::-1], 3))
        return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    return image
