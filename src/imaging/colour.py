"""Any picture that Pillow has loaded comes in, 8-bit sRGB on a white page goes out."""

from __future__ import annotations

from io import BytesIO
from typing import cast

import numpy as np
from PIL import Image, ImageCms, ImageFile

_WHITE = (255, 255, 255)
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
# TIFF tags 258 (BitsPerSample) and 262 (PhotometricInterpretation; 0 means that white is zero).
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


def to_srgb(image: Image.Image) -> Image.Image:
    """Converts a loaded picture to mode RGB in sRGB, transparent parts laid on white.

    The profile is applied before the alpha, as browsers do: the page below is white in sRGB.

    Args:
        image: Picture of any mode; its `info` may hold `icc_profile` and `transparency`.

    Returns:
        Picture of mode RGB and the same size. Its `info` is empty: a profile that has been applied, or a
        transparent colour, must not be written with it into the next file.

    Raises:
        ValueError: If Pillow has no way from this mode to RGB.
    """
    profile = image.info.get("icc_profile")
    if image.mode in _SIXTEEN_BIT:
        image = _sixteen_to_8_bit(image)
    elif image.mode in ("I", "F"):
        image = _wide_to_8_bit(image)
    elif image.mode == "LAB":
        image, profile = _lab_to_srgb(image), None
    image, alpha = _split_alpha(image)
    result = _apply_profile(image, profile)
    if alpha is not None:
        page = Image.new("RGB", result.size, _WHITE)
        page.paste(result, mask=alpha)
        result = page
    result.info.clear()
    return result


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


def _sixteen_to_8_bit(image: Image.Image) -> Image.Image:
    """Scales 9- to 16-bit grey to 8 bits by its stated depth; Pillow's own `convert` would clip at 255."""
    bits = min(max(_tiff_tag(image, _BITS_PER_SAMPLE, 16), 1), 16)
    table = np.minimum(np.arange(2**16) / (2**bits - 1), 1.0) * 255.0
    if _tiff_tag(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO:
        table = 255.0 - table
    values = np.asarray(image)
    result = Image.fromarray((table + 0.5).astype(np.uint8)[values])
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        result.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return result


def _wide_to_8_bit(image: Image.Image) -> Image.Image:
    """Scales 32-bit and float grey to 8 bits; what is no number becomes black."""
    values = np.nan_to_num(np.asarray(image).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    grey = np.clip(values / _assumed_peak(float(values.max(initial=0.0)), image.mode), 0.0, 1.0)
    return Image.fromarray((grey * 255.0 + 0.5).astype(np.uint8))


def _assumed_peak(highest: float, mode: str) -> float:
    """The white of a picture whose format does not state one: the smallest usual range that holds it."""
    usual = (1.0, 255.0, 65535.0) if mode == "F" else (255.0, 65535.0)
    return next((peak for peak in usual if highest <= peak), highest)


def _apply_profile(image: Image.Image, profile: object) -> Image.Image:
    """Brings L, RGB or CMYK to RGB in sRGB; a profile that is broken or of another space is ignored."""
    if isinstance(profile, bytes) and profile:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            space = source.profile.xcolor_space.strip()
            if space == "RGB" and image.mode == "L":
                image = image.convert("RGB")
            if space == _PROFILE_SPACES[image.mode] and not _is_srgb(source):
                target = ImageCms.createProfile("sRGB")
                converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
                return cast("Image.Image", converted)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            # A bad profile says nothing about the pixels: browsers show such a photo as sRGB, so do we.
            pass
    if image.mode == "RGB" and not isinstance(image, ImageFile.ImageFile):
        return image
    # A copy, for a picture that is bound to its file would keep the file's bytes alive.
    return image.convert("RGB")


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Most photos say sRGB; leaving these pixels untouched is exact and saves the transform."""
    description = profile.profile.profile_description or ""
    return "srgb" in description.lower()


def _lab_to_srgb(image: Image.Image) -> Image.Image:
    """CIELAB (TIFF) to sRGB; Pillow's `convert` has no such way, its colour management has."""
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    return cast("Image.Image", ImageCms.applyTransform(image, transform))
