"""A photo and its heatmap in, a picture out that shows on the photo where the network sees AI."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from src.imaging.decode import DEFAULT_LIMITS, ImageLimits, decode
from src.imaging.views import limit_side

MAX_SIDE = 768
"""Pixels of the overlay's long side; a grid of 8 x 8 says nothing that would need more."""

# From nothing over amber to red; blue or green would read as "real", which a low value does not say.
_STOPS = (0.0, 0.5, 1.0)
_COLOURS = ((255, 214, 102), (255, 159, 28), (214, 40, 40))
_STRONGEST = 0.65  # share of the colour where the network is sure, so that the photo stays to be seen
_LIGHTNESS = (0.299, 0.587, 0.114)  # ITU-R BT.601
_CALM = 0.85  # share of the photo's own colours that is taken away, so that they do not pass for heat


def paint(image: Image.Image, heatmap: Sequence[Sequence[float]]) -> Image.Image:
    """Lay a heatmap over a photo.

    Args:
        image: Upright RGB photo.
        heatmap: Rows of 0..1, top left first, over the whole photo: `Detection.heatmap`.

    Returns:
        RGB picture of the photo's shape, its long side at most `MAX_SIDE` px.
    """
    photo = limit_side(image, MAX_SIDE)
    heat = _enlarge(heatmap, photo.size)
    pixels = np.asarray(photo, np.float32)
    grey = (pixels @ np.asarray(_LIGHTNESS, np.float32))[..., None]
    calm = pixels + _CALM * (grey - pixels)
    share = (_STRONGEST * heat)[..., None]
    mixed = (1 - share) * calm + share * _colour(heat)
    return Image.fromarray(np.clip(mixed + 0.5, 0, 255).astype(np.uint8))


def overlay_png(
    photo: bytes, heatmap: Sequence[Sequence[float]], limits: ImageLimits = DEFAULT_LIMITS
) -> bytes:
    """Decode a photo, lay a heatmap over it and write the result as PNG; takes time and memory of a decoding.

    Args:
        photo: The file that the heatmap is of.
        heatmap: As for `paint`.
        limits: What a photo may ask for.

    Raises:
        ImageError: The photo cannot be used.
    """
    stream = BytesIO()
    paint(decode(photo, limits, draft_side=MAX_SIDE), heatmap).save(stream, "PNG", compress_level=4)
    return stream.getvalue()


def _enlarge(heatmap: Sequence[Sequence[float]], size: tuple[int, int]) -> NDArray[np.float32]:
    """Stretch the grid smoothly over `size` (width, height): float32 [height, width] in 0..1."""
    grid = Image.fromarray(np.asarray(heatmap, np.float32))
    return np.clip(np.asarray(grid.resize(size, Image.Resampling.BICUBIC), np.float32), 0.0, 1.0)


def _colour(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colour of each value: [H, W] in 0..1 to [H, W, 3] in 0..255."""
    channels = [np.interp(heat, _STOPS, [colour[index] for colour in _COLOURS]) for index in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)
