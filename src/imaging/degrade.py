"""What the web does to a photo on its way to us: re-encoded, made smaller, photographed off a page.

Training augments with these functions and evaluation measures its tiers with them, so both mean the same. All
take and return pictures of mode RGB, and none returns a picture that is larger than it got.
"""

from __future__ import annotations

from io import BytesIO
from typing import Literal, NamedTuple, get_args

import numpy as np
from PIL import Image, ImageDraw
from PIL.Image import Resampling

from src.imaging.resize import resize_long

__all__ = ["TIERS", "Subsampling", "Tier", "apply_tier", "jpeg", "resize_long", "screenshot", "webp"]

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]
Tier = Literal["clean", "web", "hard"]
TIERS: tuple[Tier, ...] = get_args(Tier)

# The VP8 bitstream has 14 bits for each side.
_WEBP_MAX_SIDE = 16_383
_PAGE_GREYS = (255, 250, 245, 238, 32, 18)


class _TierRecipe(NamedTuple):
    long_side: int
    quality: int


_RECIPES: dict[Tier, _TierRecipe] = {"web": _TierRecipe(768, 60), "hard": _TierRecipe(384, 40)}


def jpeg(image: Image.Image, quality: int, subsampling: Subsampling = "4:2:0") -> Image.Image:
    """Sends a picture through JPEG.

    Args:
        image: Picture of mode RGB.
        quality: Quality of libjpeg, 1 to 95.
        subsampling: Chroma subsampling.

    Returns:
        The decoded picture, same size.
    """
    stream = BytesIO()
    image.save(stream, "JPEG", quality=quality, subsampling=subsampling)
    return _reopen(stream, "JPEG")


def webp(image: Image.Image, quality: int) -> Image.Image:
    """Sends a picture through lossy WebP.

    Args:
        image: Picture of mode RGB.
        quality: Quality of libwebp, 0 to 100.

    Returns:
        The decoded picture; of the same size unless a side is beyond the 16383 pixels WebP can hold.
    """
    stream = BytesIO()
    # Method 2 of 6 halves the time of the default; the artefacts are of the same kind.
    resize_long(image, _WEBP_MAX_SIDE).save(stream, "WEBP", quality=quality, method=2)
    return _reopen(stream, "WEBP")


def _reopen(stream: BytesIO, name: str) -> Image.Image:
    with Image.open(stream, formats=[name]) as image:
        return image.convert("RGB")


def screenshot(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Shows a picture on a page at another scale, saves the screen, and cuts the picture out by hand.

    What stays is a second resampling that is off the pixel grid, a rim of page or a little loss at the edges,
    at times the page's own frame and lines of text, and the codec of the screen shot.

    Args:
        image: Picture of mode RGB.
        rng: Source of all choices; the same state gives the same result.

    Returns:
        Picture of at most the size of `image`.
    """
    page, box = _page_with(image, rng)
    page = page.crop(_hand_cut(box, page.size, rng))
    codec = rng.choice(["png", "jpeg", "webp"])
    if codec == "jpeg":
        return jpeg(page, int(rng.integers(60, 96)), "4:2:0" if rng.random() < 0.7 else "4:4:4")
    return webp(page, int(rng.integers(60, 96))) if codec == "webp" else page


def _page_with(image: Image.Image, rng: np.random.Generator) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """Draws a page of the picture's size with the picture on it, made smaller; returns page and box."""
    width, height = image.size
    scale = rng.uniform(0.55, 0.97)
    filter_ = (Resampling.BILINEAR, Resampling.BICUBIC, Resampling.LANCZOS)[int(rng.integers(3))]
    inner = (max(1, int(width * scale)), max(1, int(height * scale)))
    left = int(rng.integers(0, width - inner[0] + 1))
    top = int(rng.integers(0, height - inner[1] + 1))
    box = (left, top, left + inner[0], top + inner[1])
    grey = int(rng.choice(_PAGE_GREYS))
    page = Image.new("RGB", image.size, (grey, grey, grey))
    draw = ImageDraw.Draw(page)
    ink = (255 - grey // 2,) * 3 if grey < 128 else (grey - 90,) * 3
    line = max(2, height // 60)
    for y in range(line, height, 3 * line):
        draw.rectangle((line, y, int(line + rng.uniform(0.2, 0.9) * width), y + line // 2), fill=ink)
    if rng.random() < 0.5:
        draw.rectangle((box[0] - 2, box[1] - 2, box[2] + 1, box[3] + 1), fill=ink)
    page.paste(image.resize(inner, filter_), box[:2])
    return page, box


def _hand_cut(
    box: tuple[int, int, int, int], size: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """A box around the picture as a hand draws it: each edge up to 4 % of the side outside or 2 % inside."""
    left, top, right, bottom = box
    slack_x, slack_y = right - left, bottom - top
    outward = rng.uniform(-0.02, 0.04, size=4)
    return (
        max(0, left - int(outward[0] * slack_x)),
        max(0, top - int(outward[1] * slack_y)),
        min(size[0], right + int(outward[2] * slack_x)),
        min(size[1], bottom + int(outward[3] * slack_y)),
    )


def apply_tier(image: Image.Image, tier: Tier) -> Image.Image:
    """Brings a picture to a tier of the evaluation.

    `clean` is the picture itself; `web` has a long side of at most 768 pixels and JPEG quality 60; `hard` at
    most 384 pixels and quality 40. A smaller picture is never made larger.

    Args:
        image: Picture of mode RGB.
        tier: Name of the tier.

    Returns:
        Picture of mode RGB.
    """
    if tier == "clean":
        return image
    recipe = _RECIPES[tier]
    return jpeg(resize_long(image, recipe.long_side), recipe.quality)
