"""Procedural pictures of products on a studio's ground, for screenshots; no photo of anything."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tests.support.pictures import encode


def product(seed: int, size: tuple[int, int] = (960, 960), *, noise: float = 0.6) -> Image.Image:
    """Draw a mug, bottle, lamp or box; one seed, one picture."""
    rng = np.random.default_rng(seed)
    side = 1024
    ground = _ground(rng, side)
    shape = Image.new("L", (side, side))
    (_mug, _bottle, _lamp, _box)[seed % 4](ImageDraw.Draw(shape))
    shape = shape.filter(ImageFilter.GaussianBlur(1.2))
    shadow = Image.new("L", (side, side))
    ImageDraw.Draw(shadow).ellipse((250, 800, 860, 890), fill=150)
    dark = Image.new("RGB", (side, side), (40, 42, 48))
    ground.paste(dark, mask=shadow.filter(ImageFilter.GaussianBlur(34)))
    ground.paste(_shaded(rng, side), mask=shape)
    pixels = np.asarray(ground.resize(size, Image.Resampling.LANCZOS)).astype(np.float64)
    pixels += rng.normal(0.0, noise, size=(size[1], size[0], 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def product_photo(seed: int, size: tuple[int, int] = (960, 960), fmt: str = "JPEG") -> bytes:
    """Draw and encode a product."""
    options = {"quality": 90} if fmt == "JPEG" else {}
    return encode(product(seed, size), fmt, **options)


def _ground(rng: np.random.Generator, side: int) -> Image.Image:
    tint = rng.uniform(0.86, 1.0, 3)
    down = np.linspace(1.0, 0.0, side)[:, None, None]
    across = np.linspace(-1.0, 1.0, side)[None, :, None]
    light = 205 + 38 * down - 26 * across**2
    light = np.where(np.arange(side)[:, None, None] > 0.74 * side, light - 14, light)
    image = Image.fromarray(np.clip(light * tint, 0, 255).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(9))


def _shaded(rng: np.random.Generator, side: int) -> Image.Image:
    colour = rng.uniform(40, 215, 3)
    across = np.linspace(0.0, 1.0, side)[None, :, None]
    round_light = 0.55 + 0.75 * np.exp(-(((across - 0.40) / 0.13) ** 2)) * 0.5 - 0.35 * (across - 0.4)
    down = np.linspace(1.06, 0.86, side)[:, None, None]
    pixels = colour * round_light * down
    stripe = np.arange(side)[:, None, None]
    band = (stripe > 560) & (stripe < 640)
    pixels = np.where(band, 0.55 * pixels + 95, pixels)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _mug(draw: ImageDraw.ImageDraw) -> None:
    draw.rounded_rectangle((310, 330, 660, 850), 46, fill=255)
    draw.ellipse((600, 430, 830, 720), fill=255)
    draw.ellipse((650, 484, 776, 666), fill=0)
    draw.rounded_rectangle((310, 330, 660, 850), 46, fill=255)


def _bottle(draw: ImageDraw.ImageDraw) -> None:
    draw.rounded_rectangle((390, 400, 640, 850), 60, fill=255)
    draw.polygon([(392, 450), (468, 300), (562, 300), (638, 450)], fill=255)
    draw.rounded_rectangle((466, 180, 564, 330), 18, fill=255)


def _lamp(draw: ImageDraw.ImageDraw) -> None:
    draw.polygon([(400, 200), (630, 200), (740, 520), (290, 520)], fill=255)
    draw.rectangle((492, 520, 538, 800), fill=255)
    draw.ellipse((370, 780, 660, 856), fill=255)


def _box(draw: ImageDraw.ImageDraw) -> None:
    draw.polygon([(270, 420), (520, 330), (770, 420), (770, 770), (520, 870), (270, 770)], fill=255)
