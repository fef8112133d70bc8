"""Procedural stand-ins for photos: one seed, one picture; no photo of the data set is stored in the tests."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

# Formats that keep every pixel of an RGB picture, with the options that make them do so.
LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {"lossless": True},
}
# All formats that every installation of Pillow can both write and read.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


def picture(seed: int = 0, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Draws a picture with a gradient, a few shapes and noise.

    Args:
        seed: Decides everything but the size.
        size: Width and height, pixels.

    Returns:
        Picture of mode RGB that has no symmetry.
    """
    rng = np.random.default_rng(seed)
    width, height = size
    across = np.linspace(0.0, 1.0, width)[None, :, None]
    down = np.linspace(0.0, 1.0, height)[:, None, None]
    first, second, third = rng.uniform(20, 235, size=(3, 3))
    shades = first + (second - first) * across + 0.5 * (third - first) * down
    image = Image.fromarray(np.clip(shades, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for index in range(6):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        box = (x, y, x + int(rng.integers(1, width // 3 + 2)), y + int(rng.integers(1, height // 3 + 2)))
        colour = tuple(int(value) for value in rng.integers(0, 256, size=3))
        (draw.ellipse if index % 2 else draw.rectangle)(box, fill=colour)
    noisy = np.asarray(image).astype(np.float64) + rng.normal(0.0, 6.0, size=(height, width, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def encode(image: Image.Image, fmt: str = "JPEG", **options: Any) -> bytes:
    """Writes a picture to bytes.

    Args:
        image: Picture of a mode that the format can hold.
        fmt: Pillow's name of the format.
        **options: Passed to `Image.save`.

    Returns:
        The whole file.
    """
    stream = BytesIO()
    image.save(stream, fmt, **options)
    return stream.getvalue()


def photo_bytes(seed: int = 0, size: tuple[int, int] = (96, 64), fmt: str = "JPEG", **options: Any) -> bytes:
    """Draws and encodes in one step, for tests that only need some valid file."""
    return encode(picture(seed, size), fmt, **options)


def difference(first: Image.Image, second: Image.Image) -> float:
    """Mean absolute difference of two pictures of one size and mode, in grey levels of 255."""
    a, b = np.asarray(first).astype(np.float64), np.asarray(second).astype(np.float64)
    assert a.shape == b.shape, f"{a.shape} is not {b.shape}"
    return float(np.abs(a - b).mean())
