"""Bytes of unknown origin come in, one upright RGB picture or a typed `ImageError` goes out.

The declared type and the name of a file are never looked at: only its bytes count. All limits are checked
on the header, before any pixel is decoded.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from PIL import Image, features
from pydantic import BaseModel, ConfigDict, Field

from src.imaging.colour import to_srgb
from src.imaging.structure import survey
from src.utils.errors import CorruptImage, EmptyImage, ImageTooLarge, ImageTooSmall, UnsupportedImage

# Pillow itself refuses twice its own warning level; a limit above that could never be reached.
_PILLOW_CEILING = 178_956_970
_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
)
_PILLOW_MODULES = re.compile(r"PIL\.")

# What Pillow's decoders let out on damaged input, found by fuzzing and by reading the plugins:
_PILLOW_ERRORS = (
    OSError,  # truncated data, UnidentifiedImageError, errors of libtiff, libjpeg and libwebp
    SyntaxError,  # the plugins' own word for "not my format"
    ValueError,  # impossible header values, bad modes; includes UnicodeDecodeError
    TypeError,  # a tag of an unexpected type
    LookupError,  # a missing tag, a short palette
    ArithmeticError,  # division by a zero from the header, overflow of a C integer
    AttributeError,  # a tag that is absent where a plugin takes it for granted
    AssertionError,  # plugins assert their expectations of the header
    EOFError,  # a frame or a chunk beyond the end
    RuntimeError,  # libavif and libheif
    MemoryError,  # a strip or tile of absurd size; nothing has been allocated by then
    struct.error,
    zlib.error,
)


# EXIF orientation (tag 274) and what sets such a picture upright; 1 is upright already.
_ORIENTATION = 274
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageLimits(BaseModel):
    """How much a photo may ask for; checked before any pixel is decoded.

    Attributes:
        max_bytes: Length of the file.
        max_pixels: Width times height.
        max_side: Longer side, pixels.
        min_side: Shorter side, pixels; below it there is nothing to judge.
        max_frames: Frames of an animation or pages; only the first is read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(default=25 * 2**20, ge=1)
    max_pixels: int = Field(default=60_000_000, ge=1, le=_PILLOW_CEILING)
    max_side: int = Field(default=20_000, ge=1)
    min_side: int = Field(default=16, ge=1)
    max_frames: int = Field(default=1_000, ge=1)


DEFAULT_LIMITS = ImageLimits()


def sniff_format(data: bytes) -> str | None:
    """Names the format by its magic bytes, as Pillow names it; None if it is none that is read here."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _sniff_brand(data)
    return next((name for magic, name in _MAGIC if data.startswith(magic)), None)


def _sniff_brand(data: bytes) -> str | None:
    """AVIF and HEIC share one container; the brands tell them apart."""
    length = min(struct.unpack(">I", data[:4])[0], 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, length - 3, 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
        return "HEIF"
    return None


def _supported_formats() -> frozenset[str]:
    """The formats this installation reads; enters the HEIC plugin at Pillow where it is installed."""
    formats = {"JPEG", "PNG", "GIF", "BMP", "TIFF"}
    formats |= {name.upper() for name in ("webp", "avif") if features.check(name)}
    if importlib.util.find_spec("pillow_heif") is not None:
        importlib.import_module("pillow_heif").register_heif_opener()
        formats.add("HEIF")
    return frozenset(formats)


SUPPORTED_FORMATS = _supported_formats()


def decode(data: bytes, limits: ImageLimits = DEFAULT_LIMITS, draft_side: int | None = None) -> Image.Image:
    """Decodes a photo: first frame, upright, 8-bit sRGB, transparency on white.

    Thread-safe; changes no global state but Python's warning filter (Pillow's warnings on odd metadata are
    of no use to anyone here).

    Args:
        data: The whole file.
        limits: What a photo may ask for.
        draft_side: Long side in pixels that the caller needs at most. A JPEG may then be decoded at 1/2, 1/4
            or 1/8 scale, as long as its long side stays at least twice this.

    Returns:
        Picture of mode RGB.

    Raises:
        EmptyImage: There are no bytes.
        UnsupportedImage: The bytes are not of a format that is read here.
        CorruptImage: The content is truncated or damaged.
        ImageTooLarge: A limit on bytes, pixels, sides or frames is exceeded.
        ImageTooSmall: A side is shorter than `limits.min_side`.
    """
    if not data:
        raise EmptyImage
    if len(data) > limits.max_bytes:
        raise ImageTooLarge("file_too_large", f"The file is larger than {limits.max_bytes} bytes.")
    name = sniff_format(data)
    if name is None or name not in SUPPORTED_FORMATS:
        raise UnsupportedImage
    frames = survey(data, name, limits.max_frames)
    _silence_pillow()
    with _typed_errors(limits):
        image: Image.Image = Image.open(BytesIO(data), formats=[name])
        _check_limits(image, frames, limits)
        if draft_side is not None:
            _draft(image, draft_side)
        image.load()
        image = _upright(image)
    try:
        return to_srgb(image)
    except (OSError, ValueError) as error:
        # A damaged palette or an impossible mode; anything else would be a mistake of ours and must be seen.
        raise CorruptImage from error


def measure(data: bytes) -> tuple[int, int]:
    """Read width and height in pixels from a photo's header, as they are stored; no pixel is decoded.

    Raises:
        UnsupportedImage: The bytes are not of a format that is read here.
        CorruptImage: The header is damaged.
    """
    name = sniff_format(data)
    if name is None or name not in SUPPORTED_FORMATS:
        raise UnsupportedImage
    _silence_pillow()
    with _typed_errors(DEFAULT_LIMITS), Image.open(BytesIO(data), formats=[name]) as image:
        return image.size


def _silence_pillow() -> None:
    """Puts a filter on Pillow's own warnings in front, unless it is there.

    `warnings.catch_warnings` would not do: it swaps the filters of the whole process and is not thread-safe.
    """
    if not warnings.filters or warnings.filters[0][3] != _PILLOW_MODULES:
        warnings.filterwarnings("ignore", module=_PILLOW_MODULES.pattern)


@contextmanager
def _typed_errors(limits: ImageLimits) -> Iterator[None]:
    try:
        yield
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(limits) from error
    except _PILLOW_ERRORS as error:
        raise CorruptImage from error


def _too_many_pixels(limits: ImageLimits) -> ImageTooLarge:
    return ImageTooLarge("too_many_pixels", f"The image has more than {limits.max_pixels} pixels.")


def _check_limits(image: Image.Image, surveyed_frames: int, limits: ImageLimits) -> None:
    width, height = image.size
    if max(width, height) > limits.max_side:
        raise ImageTooLarge("side_too_long", f"A side is longer than {limits.max_side} pixels.")
    if width * height > limits.max_pixels:
        raise _too_many_pixels(limits)
    if min(width, height) < limits.min_side:
        raise ImageTooSmall(f"A side is shorter than {limits.min_side} pixels.")
    # Asking Pillow for the frames of a GIF or TIFF would read the whole file, without any bound.
    frames = surveyed_frames if image.format in ("GIF", "TIFF") else getattr(image, "n_frames", 1)
    if frames > limits.max_frames:
        raise ImageTooLarge("too_many_frames", f"The file has more than {limits.max_frames} frames.")


def _draft(image: Image.Image, draft_side: int) -> None:
    """Lets libjpeg decode at a fraction of the scale, where that leaves twice the pixels that are needed."""
    width, height = image.size
    for scale in (8, 4, 2):
        if max(width, height) // scale >= 2 * draft_side:
            image.draft(None, (max(1, width // scale), max(1, height // scale)))
            return


def _upright(image: Image.Image) -> Image.Image:
    """Turns a loaded picture as its EXIF orientation says; TIFFs have been turned by Pillow's `load`.

    `ImageOps.exif_transpose` would not do: it fails on photos whose other EXIF entries are damaged.
    """
    if image.format == "TIFF":
        return image
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except _PILLOW_ERRORS:
        # Damaged metadata does not make the pixels worse; browsers show such a photo as it is stored.
        return image
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)
