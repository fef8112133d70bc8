"""A photo's header comes in, the memory that its decoder will hold goes out, before it holds any."""

from __future__ import annotations

from PIL import Image

from src.imaging.structure import is_buffered_jpeg

_ONE_BYTE, _TWO_BYTES = ("1", "L", "P"), ("I;16", "I;16L", "I;16B", "I;16N")
_BITS_PER_SAMPLE = 258

# Bytes per pixel with Pillow 13. WebP: two canvases, the frame's bytes, the picture. AVIF: planes of 10 bits
# without subsampling, the frame's bytes, the picture. HEIF: planes of 4:2:0, the frame's bytes, the picture.
_HELD = {"WEBP": 16.0, "AVIF": 16.0, "HEIF": 10.0}


def decoder_bytes(image: Image.Image, data: bytes, pixels: int) -> int:
    """Estimates what decoding holds at its peak, from above: picture, buffers, coefficients.

    Args:
        image: As `Image.open` gives it, a JPEG's draft scale already chosen.
        data: The whole file.
        pixels: Width times height of the whole picture.

    Returns:
        Bytes, without the file itself.
    """
    own = _bytes_per_pixel(image.mode)
    if image.format in _HELD:
        return round(_HELD[image.format] * pixels)
    if image.format == "TIFF":
        # A strip or tile may be the whole picture; to turn it takes a second picture.
        return round((own + max(own, _tiff_bits(image) / 8)) * pixels)
    held = own * image.width * image.height
    if data.startswith(b"\xff\xd8") and is_buffered_jpeg(data):
        held += round(2 * _samples_per_pixel(image) * pixels)
    return held


def _bytes_per_pixel(mode: str) -> int:
    """Bytes that Pillow's picture takes; RGB takes four, too."""
    return 1 if mode in _ONE_BYTE else 2 if mode in _TWO_BYTES else 4


def _tiff_bits(image: Image.Image) -> int:
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, 8)
    return sum(bits) if isinstance(bits, tuple) else int(bits)


def _samples_per_pixel(image: Image.Image) -> float:
    """Samples of a JPEG by its subsampling: 1.5 for 4:2:0, 3 for 4:4:4, 4 for CMYK."""
    layers: list[tuple[int, int, int, int]] = getattr(image, "layer", [])
    if not layers:
        return len(image.getbands())
    across, down = max(layer[1] for layer in layers), max(layer[2] for layer in layers)
    return sum(layer[1] * layer[2] for layer in layers) / max(1, across * down)
