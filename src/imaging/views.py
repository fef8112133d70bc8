"""A decoded photo in, the network's inputs out: the whole photo, and crops at its own scale.

Training cuts its samples with the functions of this module too, so that the network is asked in production
exactly what it was taught.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from src.imaging.resize import resize_long
from src.utils.model_card import ViewPlan

Triple = tuple[float, float, float]
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 as fractions of the upright photo's width and height."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
STRIDE = 32
"""Pixels of the input to one place of the last feature map."""


@dataclass(frozen=True, slots=True)
class Views:
    """The network's inputs for one photo.

    Attributes:
        global_views: float32 [1, 3, H, W] each, the whole photo at the plan's sizes.
        crops: float32 [K, 3, C, C], squares at the photo's own scale, most detailed first.
        crop_boxes: where each crop lies.
    """

    global_views: tuple[NDArray[np.float32], ...]
    crops: NDArray[np.float32]
    crop_boxes: tuple[Box, ...]


def limit_side(image: Image.Image, max_side: int) -> Image.Image:
    """Shrink so that the long side is at most `max_side` px; never enlarge."""
    return resize_long(image, max_side, Image.Resampling.BICUBIC, reducing_gap=3.0)


def normalise(image: Image.Image, mean: Triple, std: Triple) -> NDArray[np.float32]:
    """RGB picture → float32 [3, H, W], scaled to 0..1, then (x - mean) / std by channel."""
    planes = np.empty((3, image.height, image.width), np.float32)
    # Plane by plane and in place: several times as quick as a whole picture whose last axis is three long.
    for plane, band, centre, spread in zip(planes, image.split(), mean, std, strict=True):
        np.divide(np.asarray(band), np.float32(255), out=plane)
        np.subtract(plane, np.float32(centre), out=plane)
        np.divide(plane, np.float32(spread), out=plane)
    return planes


def cut_square(image: Image.Image, left: float, top: float, side: float, size: int) -> Image.Image:
    """Cut the square at (`left`, `top`) with `side` px and bring it to `size` px."""
    box = (left, top, left + side, top + side)
    if side == size and left == int(left) and top == int(top):
        return image.crop((int(left), int(top), int(left) + size, int(top) + size))
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)


def whole(image: Image.Image, size: int) -> Image.Image:
    """The whole photo with about `size` x `size` pixels; each side is a multiple of the network's stride.

    Nothing is cut off and, but for that rounding, nothing is distorted: the network is fully convolutional.
    """
    scale = size / math.sqrt(image.width * image.height)
    width, height = (max(2, round(side * scale / STRIDE)) * STRIDE for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)


def detail(grey: NDArray[np.uint8]) -> float:
    """Mean absolute difference of neighbouring pixels of a [H, W] grey picture: 0 for blank paper."""
    levels = grey.astype(np.int16)
    across = np.abs(np.diff(levels, axis=1)).mean() if levels.shape[1] > 1 else 0.0
    down = np.abs(np.diff(levels, axis=0)).mean() if levels.shape[0] > 1 else 0.0
    return float(across + down)


def crop_corners(image: Image.Image, side: int, count: int) -> list[tuple[int, int]]:
    """Choose where to look closely: the `count` most detailed cells of an even grid of squares of `side` px.

    Cells overlap where the photo is no multiple of `side`, so that the grid always covers the whole photo. On
    a photo with fewer cells than `count`, all are returned. Blank backgrounds, which say little, come last.
    """
    grey = np.asarray(image.convert("L"))
    lefts, tops = _positions(image.width, side), _positions(image.height, side)
    cells = [
        (detail(grey[top : top + side, left : left + side]), left, top) for top in tops for left in lefts
    ]
    cells.sort(key=lambda cell: -cell[0])
    return [(left, top) for _, left, top in cells[:count]]


def _positions(extent: int, side: int) -> list[int]:
    number = max(1, math.ceil(extent / side))
    return [round(i * (extent - side) / max(1, number - 1)) for i in range(number)]


def make_views(image: Image.Image, plan: ViewPlan, mean: Triple, std: Triple) -> Views:
    """Cut the views of an upright RGB photo as the plan says.

    A photo whose short side is below the crop size is cut to squares of its short side, which are enlarged.
    """
    image = limit_side(image, plan.max_side)
    width, height = image.size
    side = min(*image.size, plan.crop_size)
    corners = crop_corners(image, side, plan.crops) if plan.crops else []
    crops = [normalise(cut_square(image, x, y, side, plan.crop_size), mean, std) for x, y in corners]
    empty = np.zeros((0, 3, plan.crop_size, plan.crop_size), np.float32)
    return Views(
        global_views=tuple(normalise(whole(image, size), mean, std)[None] for size in plan.global_sizes),
        crops=np.stack(crops) if crops else empty,
        crop_boxes=tuple(_fractions(x, y, side, width, height) for x, y in corners),
    )


def _fractions(left: float, top: float, side: float, width: int, height: int) -> Box:
    return (left / width, top / height, (left + side) / width, (top + side) / height)


def combine_logits(plan: ViewPlan, global_logit: float, crop_logits: list[float]) -> float:
    """One logit for the photo: the mean of the global views and that of the crops, weighted as planned."""
    if not crop_logits:
        return global_logit
    return plan.global_weight * global_logit + (1 - plan.global_weight) * sum(crop_logits) / len(crop_logits)
