"""Small pictures of photos that the service has already judged: for the eye, never for the verdict.

The service refuses what is dangerous to decode, and only what it took comes here; bounds are checked again
all the same, one photo is decoded at a time, and what cannot be shown is left out.
"""

from __future__ import annotations

import base64
import io
import threading

from PIL import Image, ImageOps, UnidentifiedImageError

PREVIEW_SIDE = 768
THUMBNAIL_SIDE = 96
MAX_PIXELS = 60_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_ONE_AT_A_TIME = threading.Lock()


def preview(photo: bytes, side: int = PREVIEW_SIDE) -> bytes | None:
    """Return an upright JPEG of at most `side` pixels; None for what cannot be shown here."""
    with _ONE_AT_A_TIME:
        try:
            return _shrink(photo, side)
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, MemoryError):
            # Pillow's ways of saying that it does not read this, such as HEIC; the verdict does not need it.
            return None


def _shrink(photo: bytes, side: int) -> bytes | None:
    with Image.open(io.BytesIO(photo), formats=_FORMATS) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            return None
        # Reads a JPEG at an eighth of its size where that is enough.
        opened.draft("RGB", (2 * side, 2 * side))
        small = ImageOps.exif_transpose(opened)
        small.thumbnail((side, side), Image.Resampling.BICUBIC)
        return _jpeg(_on_white(small))


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode in {"RGB", "L"}:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    ground = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(ground, layered).convert("RGB")


def _jpeg(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85)
    return stream.getvalue()


def blend(photo: bytes, overlay: bytes, opacity: float) -> bytes:
    """Return a JPEG of the photo with the service's heatmap laid over it.

    Args:
        photo: As `preview` made it.
        overlay: PNG as the service drew it, of the same upright photo.
        opacity: From 0, the photo alone, to 1, the overlay alone.
    """
    with Image.open(io.BytesIO(photo)) as below, Image.open(io.BytesIO(overlay)) as above:
        heat = above.convert("RGB")
        plain = below.convert("RGB").resize(heat.size, Image.Resampling.BICUBIC)
        return _jpeg(Image.blend(plain, heat, opacity))


def data_uri(jpeg: bytes) -> str:
    """Return a JPEG as an address that a table can show."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
