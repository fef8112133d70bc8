"""Procedural pictures in the size and codec of an upload; no photo is kept in the repository."""

import io

import numpy as np
from PIL import Image, ImageDraw


def procedural_photo(width: int = 1600, height: int = 1200, *, seed: int = 0, quality: int = 88) -> bytes:
    """Draw a box-like product on a lit, noisy background.

    Args:
        width: in pixels.
        height: in pixels.
        seed: same seed, same bytes (with the same Pillow).
        quality: of the JPEG, 1-95.

    Returns:
        A JPEG file, 4:2:0, some hundred kilobytes: the noise keeps the decoder as busy as a photo would.
    """
    rng = np.random.default_rng(seed)
    slope = (
        np.linspace(0.0, 1.0, width, dtype=np.float32)[None, :]
        + np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None]
    )
    pixels = (
        120.0 + 50.0 * slope[..., None] * rng.uniform(0.7, 1.0, 3) + rng.normal(0.0, 6.0, (height, width, 1))
    )
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    left, top = rng.uniform(0.15, 0.3, 2) * (width, height)
    right, bottom = rng.uniform(0.6, 0.85, 2) * (width, height)
    draw.rounded_rectangle(
        (left, top, right, bottom), radius=width // 40, fill=tuple(rng.integers(30, 225, 3).tolist())
    )
    for offset in np.linspace(top, bottom, 9)[1:-1]:
        draw.line((left, offset, right, offset), fill=tuple(rng.integers(0, 255, 3).tolist()), width=3)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()
