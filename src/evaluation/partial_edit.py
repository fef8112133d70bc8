"""Real photos with a part that is not: where it lies, how it is blended in, whether a heatmap points at it.

The part is an ellipse of a given share of the area where the photo has most detail, the more so the nearer
to its middle: there the product is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from src.evaluation.metrics import FloatArray, auroc

_PLACES = 48  # sides of the coarse picture on which the place is searched
_MIDDLE = 0.25  # spread of the middle, as a share of the side
_SOFT = 0.02  # radius of the mask's soft edge, as a share of the long side
Box = tuple[int, int, int, int]


class Pointing(NamedTuple):
    """Whether a heatmap points at a part.

    Attributes:
        peak: Whether its highest cell lies inside.
        area: Share of cells inside, which a blind guess would hit.
        mass: Share of the heat inside.
        ranking: AUROC of the cells, inside against outside.
    """

    peak: bool
    area: float
    mass: float
    ranking: float


def part_box(image: Image.Image, share: float) -> Box:
    """Bounding box of an ellipse of `share` of the area where the product is; wholly inside the photo."""
    width, height = (round(side * 2 * math.sqrt(share / math.pi)) for side in image.size)
    width, height = min(width, image.width), min(height, image.height)
    grey = np.asarray(image.convert("L").resize((_PLACES, _PLACES), Image.Resampling.BOX), np.float64)
    down, across = np.gradient(grey)
    near = np.exp(-(((np.arange(_PLACES) + 0.5) / _PLACES - 0.5) ** 2) / (2 * _MIDDLE**2))
    product = np.hypot(across, down) * np.outer(near, near)
    sums = np.pad(product.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    wide = max(1, min(_PLACES, round(width / image.width * _PLACES)))
    high = max(1, min(_PLACES, round(height / image.height * _PLACES)))
    inside = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    left = min(image.width - width, round(int(column) / _PLACES * image.width))
    top = min(image.height - height, round(int(row) / _PLACES * image.height))
    return left, top, left + width, top + height


def soft_mask(size: tuple[int, int], box: Box) -> Image.Image:
    """The ellipse in `box` as a picture of mode L with soft edges."""
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask.filter(ImageFilter.GaussianBlur(_SOFT * max(size)))


def paste(image: Image.Image, donor: Image.Image, box: Box) -> Image.Image:
    """The photo with the middle of another picture over the whole of `box`, for blending by a mask."""
    # Soft edges reach beyond the ellipse's box.
    rim = round(3 * _SOFT * max(image.size))
    outer = (box[0] - rim, box[1] - rim, box[2] + rim, box[3] + rim)
    filled = image.copy()
    filled.paste(ImageOps.fit(donor, (outer[2] - outer[0], outer[3] - outer[1])), outer[:2])
    return filled


def on_grid(mask: Image.Image, rows: int, columns: int) -> NDArray[np.bool_]:
    """Which cells of a heatmap lie inside: those covered by half, or else the most covered one."""
    covered = np.asarray(mask.resize((columns, rows), Image.Resampling.BOX), np.float64) / 255
    inside: NDArray[np.bool_] = covered >= min(0.5, float(covered.max()))
    return inside


def pointing(heat: FloatArray, inside: NDArray[np.bool_]) -> Pointing:
    """Compare a heatmap float [h, w] with the cells of the part."""
    return Pointing(
        peak=bool(inside.ravel()[int(heat.argmax())]),
        area=float(inside.mean()),
        mass=float(heat[inside].sum() / heat.sum()) if heat.sum() > 0 else float(inside.mean()),
        ranking=auroc(inside.ravel(), heat.ravel()),
    )
