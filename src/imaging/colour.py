"""Any picture that Pillow has loaded comes in, 8-bit sRGB on a white page goes out."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_WHITE = (255, 255, 255)
_BAND_PIXELS = 2**20
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
# TIFF tags 258 (BitsPerSample) and 262 (PhotometricInterpretation; 0 means that white is zero).
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


def to_srgb(image: Image.Image, factor: int = 1) -> Image.Image:
    """Converts a loaded picture to mode RGB in sRGB, transparent parts laid on white.

    The profile is applied before the alpha, as browsers do: the page below is white in sRGB. The work is
    done in bands of rows, so that next to the picture and the result hardly any memory is needed.

    Args:
        image: Picture of any mode; its `info` may hold `icc_profile` and `transparency`. It is not changed.
        factor: Shrinks to this fraction of the scale by averaging squares of `factor` x `factor` pixels.

    Returns:
        A new picture of mode RGB, each side divided by `factor` and rounded up. Its `info` is empty: a
        profile that has been applied, or a transparent colour, must not be written with it into the next
        file.

    Raises:
        ValueError: If Pillow has no way from this mode to RGB.
    """
    width, height = image.size
    colour = _Colour(image)
    result = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top, band in _bands(image, factor):
        flat = colour.flatten(band)
        result.paste(flat.reduce(factor) if factor > 1 else flat, (0, top // factor))
    return result


def _bands(image: Image.Image, step: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """Yields bands of about a million pixels, each with its first row, which is a multiple of `step`."""
    rows = step * max(1, _BAND_PIXELS // (image.width * step))
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


class _Colour:
    """Brings bands of one picture to sRGB; what is true of the whole picture is found out once."""

    def __init__(self, image: Image.Image) -> None:
        self._mode = image.mode
        self._levels = _level_table(image) if image.mode in _SIXTEEN_BIT else None
        self._peak = _assumed_peak(_highest(image), image.mode) if image.mode in ("I", "F") else 1.0
        self._profile = image.info.get("icc_profile")
        self._transform: ImageCms.ImageCmsTransform | None = None
        self._transform_of: str | None = None

    def flatten(self, band: Image.Image) -> Image.Image:
        """Converts one band to RGB on white."""
        if self._levels is not None:
            band = _sixteen_to_8_bit(band, self._levels)
        elif self._mode in ("I", "F"):
            band = _wide_to_8_bit(band, self._peak)
        elif self._mode == "LAB":
            return self._apply(band)
        band, alpha = _split_alpha(band)
        result = self._apply(band)
        if alpha is None:
            return result
        page = Image.new("RGB", result.size, _WHITE)
        page.paste(result, mask=alpha)
        return page

    def _apply(self, band: Image.Image) -> Image.Image:
        """Brings L, RGB, CMYK or LAB to RGB by the profile, if that is of use."""
        if self._transform_of is None:
            self._transform_of, self._transform = _transform(band.mode, self._profile)
        if self._transform is None:
            return band.convert("RGB")
        if band.mode != self._transform_of:
            band = band.convert(self._transform_of)
        return cast("Image.Image", ImageCms.applyTransform(band, self._transform))


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Separates a picture of any 8-bit mode into L, RGB or CMYK and its alpha (mode L), if it has any."""
    transparent = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(transparent, tuple) and max(transparent) > 255:
        # Pillow keeps the upper bytes of 16-bit RGB, but states the transparent colour in 16 bits.
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode == "LA":
        return image.getchannel("L"), image.getchannel("A")
    alpha = None
    if image.mode in ("PA", "RGBA", "RGBa") or transparent is not None:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    if image.mode not in _PROFILE_SPACES:
        image = image.convert("L" if image.mode == "1" else "RGB")
    return image, alpha


def _tiff_tag(image: Image.Image, tag: int, default: int) -> int:
    """Reads a numeric tag of a TIFF, its first value where there are several; others have the default."""
    value = getattr(image, "tag_v2", {}).get(tag, default)
    return int(value[0] if isinstance(value, tuple) else value)


def _level_table(image: Image.Image) -> NDArray[np.uint8]:
    """Level of 8 bits for each of 16: scaled by the stated depth, inverted where white is zero."""
    bits = min(max(_tiff_tag(image, _BITS_PER_SAMPLE, 16), 1), 16)
    table = np.minimum(np.arange(2**16) / (2**bits - 1), 1.0) * 255.0
    if _tiff_tag(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO:
        table = 255.0 - table
    levels: NDArray[np.uint8] = (table + 0.5).astype(np.uint8)
    return levels


def _sixteen_to_8_bit(band: Image.Image, levels: NDArray[np.uint8]) -> Image.Image:
    """Scales 9- to 16-bit grey to 8 bits; Pillow's own `convert` would clip at 255."""
    values = np.asarray(band)
    result = Image.fromarray(levels[values])
    transparent = band.info.get("transparency")
    if isinstance(transparent, int):
        result.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return result


def _finite(band: Image.Image) -> NDArray[np.float32]:
    """The values of 32-bit or float grey; what is no number becomes black."""
    values = np.asarray(band).astype(np.float32)
    return np.where(np.isfinite(values), values, np.float32(0))


def _highest(image: Image.Image) -> float:
    """The greatest value of 32-bit or float grey, at least 0; Pillow's own `getextrema` trips over NaN."""
    return max(float(_finite(band).max(initial=0.0)) for _, band in _bands(image))


def _wide_to_8_bit(band: Image.Image, peak: float) -> Image.Image:
    """Scales 32-bit and float grey to 8 bits."""
    grey = np.clip(_finite(band) / peak, 0.0, 1.0)
    return Image.fromarray((grey * 255.0 + 0.5).astype(np.uint8))


def _assumed_peak(highest: float, mode: str) -> float:
    """The white of a picture whose format does not state one: the smallest usual range that holds it."""
    usual = (1.0, 255.0, 65535.0) if mode == "F" else (255.0, 65535.0)
    return next((peak for peak in usual if highest <= peak), highest)


def _transform(mode: str, profile: object) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """Finds the way from a picture's mode to sRGB: the mode it starts from, and None where nothing is to do.

    A profile that is broken or of another space is ignored.
    """
    if mode == "LAB":
        # CIELAB (TIFF): Pillow's `convert` has no such way, its colour management has.
        source = ImageCms.createProfile("LAB")
        return mode, ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "LAB", "RGB")
    if not isinstance(profile, bytes) or not profile:
        return mode, None
    try:
        found = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = found.profile.xcolor_space.strip()
        start = "RGB" if space == "RGB" and mode == "L" else mode
        if space != _PROFILE_SPACES[start] or _is_srgb(found):
            return mode, None
        return start, ImageCms.buildTransform(found, ImageCms.createProfile("sRGB"), start, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        # A bad profile says nothing about the pixels: browsers show such a photo as sRGB, so do we.
        return mode, None


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Most photos say sRGB; leaving these pixels untouched is exact and saves the transform."""
    description = profile.profile.profile_description or ""
    return "srgb" in description.lower()
