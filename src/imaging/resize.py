"""The one way in which a picture is made smaller as a whole; each caller names its filter."""

from __future__ import annotations

from PIL import Image
from PIL.Image import Resampling


def resize_long(
    image: Image.Image,
    long_side: int,
    resample: Resampling = Resampling.LANCZOS,
    reducing_gap: float | None = None,
) -> Image.Image:
    """Makes a picture smaller until its long side fits; a picture that fits already is returned as it is.

    Args:
        image: Picture of mode RGB.
        long_side: Greatest allowed length of the longer side, pixels.
        resample: Pillow's filter; web shops use all of them.
        reducing_gap: As for Pillow's `resize`: a quick box average first, down to this multiple of the size.

    Returns:
        Picture of the same aspect, each side at least one pixel.
    """
    longest = max(image.size)
    if longest <= long_side:
        return image
    scale = long_side / longest
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), resample, reducing_gap=reducing_gap)
