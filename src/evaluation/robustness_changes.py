"""What may happen to a picture on its way, one named change a step: codecs, scale, cuts, frames, paper.

Everything is drawn by program: no change needs a file. A picture and a random generator in, a picture of mode
RGB out; the same state of the generator gives the same picture.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from src.imaging.degrade import jpeg, resize_long, webp
from src.imaging.views import limit_side

Function = Callable[[Image.Image, np.random.Generator], Image.Image]

_AVIF_SPEED = 9  # of 10; the artefacts are of the same kind as those of a slow encoder
_INK = (40, 44, 52)


class Change(NamedTuple):
    """A named change: its group in the table, its name, and what it does."""

    group: str
    name: str
    apply: Function


def avif(image: Image.Image, quality: int) -> Image.Image:
    """Sends a picture through AVIF (libavif's quality, 0 to 100)."""
    stream = BytesIO()
    image.save(stream, "AVIF", quality=quality, speed=_AVIF_SPEED)
    with Image.open(stream, formats=["AVIF"]) as decoded:
        return decoded.convert("RGB")


def rescale(image: Image.Image, factor: float) -> Image.Image:
    """Resizes by a factor; whoever looks at it shrinks or enlarges it once more."""
    size = (max(32, round(image.width * factor)), max(32, round(image.height * factor)))
    return image.resize(size, Image.Resampling.BICUBIC)


def crop(image: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    """Keeps `share` of each side, somewhere."""
    width, height = (max(32, round(side * share)) for side in image.size)
    left = int(rng.integers(0, max(0, image.width - width) + 1))
    top = int(rng.integers(0, max(0, image.height - height) + 1))
    return image.crop((left, top, min(image.width, left + width), min(image.height, top + height)))


def noise(image: Image.Image, sigma: float, rng: np.random.Generator) -> Image.Image:
    """Adds Gaussian noise of `sigma` grey levels to each channel."""
    drawn = rng.standard_normal((image.height, image.width, 3), dtype=np.float32)
    return _image(np.asarray(image, np.float32) + sigma * drawn)


def social_chain(image: Image.Image, _rng: np.random.Generator) -> Image.Image:
    """Posted, saved by another person and posted again: 1080 px at JPEG 75, then 720 px at JPEG 65."""
    return jpeg(resize_long(jpeg(resize_long(image, 1080), 75), 720), 65)


def browser_frame(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A whole screen with the picture on a shop's page in a browser's window, not cut out."""
    width, height = max(320, image.width), max(320, image.height)
    bar = max(24, height // 14)
    page = Image.new("RGB", (width, height), (255, 255, 255))
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, width, bar), fill=(222, 225, 230))
    for number, colour in enumerate(((237, 106, 94), (245, 191, 79), (98, 197, 84))):
        x, y, r = bar // 2 + number * bar // 2, bar // 2, bar // 7
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    draw.rounded_rectangle((3 * bar, bar // 5, width - bar, bar - bar // 5), bar // 3, fill=(255, 255, 255))
    shown = limit_side(image, round(0.72 * min(width, height)))
    left, top = (width - shown.width) // 4, bar + (height - bar - shown.height) // 3
    page.paste(shown, (left, top))
    line, right = max(6, height // 60), left + shown.width + width // 40
    for y in range(top, height - line, 3 * line):
        if right < width - 2 * line:
            draw.rectangle((right, y, right + int((width - right) * rng.uniform(0.3, 0.9)), y + line), _INK)
    return page


def watermark(image: Image.Image, _rng: np.random.Generator) -> Image.Image:
    """Slanted, half transparent words all over the picture."""
    side = max(image.size)
    layer = Image.new("L", (2 * side, 2 * side), 0)
    font = ImageFont.load_default(max(12, side // 18))
    draw = ImageDraw.Draw(layer)
    for row, y in enumerate(range(0, 2 * side, max(24, side // 6))):
        for x in range(-(row % 2) * side // 6, 2 * side, max(48, side // 3)):
            draw.text((x, y), "SAMPLE", fill=90, font=font)
    turned = layer.rotate(30, Image.Resampling.BICUBIC)
    left, top = (turned.width - image.width) // 2, (turned.height - image.height) // 2
    mask = turned.crop((left, top, left + image.width, top + image.height))
    marked = image.copy()
    marked.paste((255, 255, 255), (0, 0), mask)
    return marked


def white_border(image: Image.Image, share: float = 0.15) -> Image.Image:
    """A white border of `share` of the long side all around, as marketplaces ask for."""
    rim = round(share * max(image.size))
    framed = Image.new("RGB", (image.width + 2 * rim, image.height + 2 * rim), (255, 255, 255))
    framed.paste(image, (rim, rim))
    return framed


def print_and_photo(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """An approximation of a print that is photographed: halftone, paper's contrast, perspective, light, lens.

    Dots of a raster turned by 15 to 45 degrees modulate the ink; the camera's own grid then samples them
    anew, which gives the moiré.
    """
    width, height = image.size
    levels = (np.asarray(image, np.float32) / 255) ** rng.uniform(0.85, 1.2)
    across, down = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
    angle, period = rng.uniform(0.26, 0.79), rng.uniform(3.0, 4.5)
    turned = across * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - across * np.sin(angle)
    dots = np.cos(turned[0] * 2 * np.pi / period) * np.cos(turned[1] * 2 * np.pi / period)
    # The raster is strongest in the middle tones: paper has no dots, solid ink no gaps.
    printed = levels + 0.35 * dots[..., None] * levels * (1 - levels)
    paper = 0.1 + 0.82 * printed
    light = 1 + rng.uniform(-0.12, 0.12) * (across / width - 0.5) + rng.uniform(-0.12, 0.12) * down / height
    taken = _perspective(_image(255 * paper * light[..., None]), rng)
    return jpeg(noise(taken.filter(ImageFilter.GaussianBlur(0.8)), 3.0, rng), 85)


def _perspective(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Seen a little from the side: each corner up to 4 % of the side inside the frame, on a grey table."""
    width, height = image.size
    moved = rng.uniform(0.0, 0.04, (4, 2)) * (width, height) * ((1, 1), (-1, 1), (-1, -1), (1, -1))
    corners = np.array(((0, 0), (width, 0), (width, height), (0, height)), np.float64)
    rows, values = [], []
    for (x, y), (u, v) in zip(corners + moved, corners, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        values += [u, v]
    homography = np.linalg.solve(np.array(rows), np.array(values))
    return image.transform(
        image.size,
        Image.Transform.PERSPECTIVE,
        homography.tolist(),
        Image.Resampling.BICUBIC,
        fillcolor=(112, 104, 98),
    )


def _image(levels: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def _plain(function: Callable[[Image.Image], Image.Image]) -> Function:
    return lambda image, _rng: function(image)


def _of(function: Callable[[Image.Image, int], Image.Image], value: int) -> Function:
    return lambda image, _rng: function(image, value)


def _scaled(factor: float) -> Function:
    return lambda image, _rng: rescale(image, factor)


def _cut(share: float) -> Function:
    return lambda image, rng: crop(image, share, rng)


def _noisy(sigma: float) -> Function:
    return lambda image, rng: noise(image, sigma, rng)


def _blurred(radius: float) -> Function:
    return lambda image, _rng: image.filter(ImageFilter.GaussianBlur(radius))


def _lit(factor: float) -> Function:
    return lambda image, _rng: ImageEnhance.Brightness(image).enhance(factor)


UNTOUCHED = Change("none", "untouched", _plain(lambda image: image))
CHANGES: tuple[Change, ...] = (
    UNTOUCHED,
    *(Change("codec", f"JPEG {quality}", _of(jpeg, quality)) for quality in (95, 85, 75, 60, 45, 30)),
    *(Change("codec", f"WebP {quality}", _of(webp, quality)) for quality in (80, 50)),
    *(Change("codec", f"AVIF {quality}", _of(avif, quality)) for quality in (70, 40)),
    *(Change("scale", f"resize {factor:g}x", _scaled(factor)) for factor in (0.25, 0.5, 0.75, 1.5, 2.0)),
    *(Change("cut", f"crop to {share:.0%} of each side", _cut(share)) for share in (0.9, 0.7, 0.5)),
    *(Change("pixels", f"blur, sigma {radius:g} px", _blurred(radius)) for radius in (1.0, 2.0)),
    *(Change("pixels", f"noise, sigma {sigma:g}", _noisy(sigma)) for sigma in (5.0, 15.0)),
    *(Change("pixels", f"brightness {factor:g}x", _lit(factor)) for factor in (0.6, 0.8, 1.3)),
    Change("route", "social network chain", social_chain),
    Change("route", "screenshot with browser frame", browser_frame),
    Change("route", "print and photo", print_and_photo),
    Change("overlay", "watermark", watermark),
    Change("overlay", "white border", _plain(white_border)),
    Change(
        "overlay", "horizontal flip", _plain(lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    ),
)
