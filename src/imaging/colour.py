"""Any picture that Pillow has loaded comes in, 8-bit sRGB on a white page goes out."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

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
        Picture of mode RGB and the same size.

    Raises:
        ValueError: If Pillow has no way from this mode to RGB.
    """
    profile = image.info.get("icc_profile")
    if image.mode in _SIXTEEN_BIT or image.mode in ("I", "F"):
        image = _deep_grey_to_8_bit(image)
    elif image.mode == "LAB":
        return _lab_to_srgb(image)
    alpha = None
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    if image.mode not in _PROFILE_SPACES:
        image = image.convert("L" if image.mode == "1" else "RGB")
    image = _apply_profile(image, profile)
    if alpha is not None:
        page = Image.new("RGB", image.size, _WHITE)
        page.paste(image, mask=alpha)
        return page
    return image


def _deep_grey_to_8_bit(image: Image.Image) -> Image.Image:
    """Scales 16-bit, 32-bit and float grey to 8 bits; Pillow's own `convert` would clip at 255."""
    values = np.nan_to_num(np.asarray(image).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    tags = getattr(image, "tag_v2", {})
    transparency = image.info.get("transparency")
    if image.mode in _SIXTEEN_BIT:
        bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
        peak = float(2 ** min(max(int(bits), 1), 16) - 1)
    else:
        peak = _assumed_peak(float(values.max(initial=0.0)), image.mode)
    grey = np.clip(values / peak, 0.0, 1.0)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 1.0 - grey
    result = Image.fromarray((grey * 255.0 + 0.5).astype(np.uint8))
    if isinstance(transparency, int):
        result.putalpha(Image.fromarray(np.where(values == transparency, 0, 255).astype(np.uint8)))
    return result


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
                converted = ImageCms.profileToProfile(
                    image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
                )
                if converted is not None:
                    return converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            # A bad profile says nothing about the pixels: browsers show such a photo as sRGB, so do we.
            pass
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
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:
        raise ValueError("conversion from LAB failed")
    return converted
