"""Bytes of unknown origin come in, one upright RGB picture or a typed `ImageError` goes out.

The declared type and the name of a file are never looked at: only its bytes count. All limits are checked
on the header, before any pixel is decoded. The file's bytes apart, a photo takes little more memory than
`ImageLimits.max_decoder_bytes`, whatever its format.
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
from src.imaging.memory import decoder_bytes
from src.imaging.structure import survey
from src.utils.errors import (
    CorruptImage,
    EmptyImage,
    ImageTooElongated,
    ImageTooLarge,
    ImageTooSmall,
    UnsupportedImage,
)

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
_WHOLE_SIDE = 2_048  # a picture of less than twice this is kept at its scale: it is no burden
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
        max_decoder_bytes: Memory that the decoder may hold, by an estimate from the header. The default lets
            60 million pixels of JPEG, PNG, GIF or BMP pass, 30 to 60 of progressive JPEG, 37 of 8-bit TIFF,
            30 of HEIC, and 18 of WebP or AVIF, whose decoders hold the picture several times.
        max_side: Longer side, pixels.
        min_side: Shorter side, pixels; below it there is nothing to judge. It must hold, too, when the long
            side has been brought to the `draft_side` that the caller needs.
        max_aspect: Longer side divided by the shorter one. No product photo of the data is beyond 3.6, and
            of a strip the network would see a small part only.
        max_frames: Frames of an animation or pages; only the first is read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(default=25 * 2**20, ge=1)
    max_pixels: int = Field(default=60_000_000, ge=1, le=_PILLOW_CEILING)
    max_decoder_bytes: int = Field(default=300_000_000, ge=1)
    max_side: int = Field(default=20_000, ge=1)
    min_side: int = Field(default=16, ge=1)
    max_aspect: float = Field(default=16.0, ge=1.0)
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
    if importlib.util.find_spec("pi_heif") is not None:
        importlib.import_module("pi_heif").register_heif_opener()
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
            or 1/8 scale, as long as its long side stays at least twice this. For any other picture it
            saves memory only: one of 4096 pixels or more is averaged to a whole fraction of its scale, as
            long as at least twice this, and 2048 pixels, are left.

    Returns:
        Picture of mode RGB.

    Raises:
        EmptyImage: There are no bytes.
        UnsupportedImage: The bytes are not of a format that is read here.
        CorruptImage: The content is truncated or damaged.
        ImageTooLarge: A limit on bytes, pixels, memory, sides or frames is exceeded.
        ImageTooSmall: A side is shorter than `limits.min_side`.
        ImageTooElongated: The picture is a strip.
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
        _check_size(image.size, limits, draft_side)
        _check_frames(image, frames, limits)
        pixels = image.width * image.height
        if draft_side is not None:
            _draft(image, draft_side)
        _check_memory(decoder_bytes(image, data, pixels), pixels, limits)
    return _finish(image, limits, draft_side)


def normalise_picture(
    image: Image.Image, limits: ImageLimits = DEFAULT_LIMITS, draft_side: int | None = None
) -> Image.Image:
    """Brings a picture that the caller has opened to what `decode` makes of a lossless file of its pixels.

    Args:
        image: Picture of any mode, loaded or not; of several frames, the present one is taken. It is loaded,
            and otherwise left as it is; so a JPEG that is not loaded is decoded at its full scale.
        limits: As for `decode`; bytes and frames are not asked for.
        draft_side: As for `decode`.

    Returns:
        A new picture of mode RGB.

    Raises:
        ImageError: As for `decode`.
    """
    _check_size(image.size, limits, draft_side)
    _silence_pillow()
    return _finish(image, limits, draft_side)


def _finish(image: Image.Image, limits: ImageLimits, draft_side: int | None) -> Image.Image:
    """Loads a picture whose header was accepted; upright, sRGB, on white."""
    with _typed_errors(limits):
        image.load()
        turn = _turn(image)
    enough = max(image.size) if draft_side is None else 2 * max(draft_side, _WHOLE_SIDE // 2)
    factor = max(1, max(image.size) // enough)
    try:
        result = to_srgb(image, factor)
    except (OSError, ValueError) as error:
        # A damaged palette or an impossible mode; anything else would be a mistake of ours and must be seen.
        raise CorruptImage from error
    return result if turn is None else result.transpose(turn)


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


def _check_size(size: tuple[int, int], limits: ImageLimits, draft_side: int | None) -> None:
    short, long = min(size), max(size)
    if long > limits.max_side:
        raise ImageTooLarge("side_too_long", f"A side is longer than {limits.max_side} pixels.")
    if short * long > limits.max_pixels:
        raise _too_many_pixels(limits)
    if short < limits.min_side:
        raise ImageTooSmall(f"A side is shorter than {limits.min_side} pixels.")
    if long > limits.max_aspect * short:
        raise ImageTooElongated(f"A side is more than {limits.max_aspect:g} times as long as the other.")
    if draft_side is not None and long > draft_side and short * draft_side < limits.min_side * long:
        raise ImageTooElongated(
            f"At a long side of {draft_side} pixels, the other is shorter than {limits.min_side}."
        )


def _check_frames(image: Image.Image, surveyed: int, limits: ImageLimits) -> None:
    # Asking Pillow for the frames of a GIF or TIFF would read the whole file, without any bound.
    frames = surveyed if image.format in ("GIF", "TIFF") else getattr(image, "n_frames", 1)
    if frames > limits.max_frames:
        raise ImageTooLarge("too_many_frames", f"The file has more than {limits.max_frames} frames.")


def _check_memory(needed: int, pixels: int, limits: ImageLimits) -> None:
    if needed > limits.max_decoder_bytes:
        most = pixels * limits.max_decoder_bytes // needed
        raise ImageTooLarge("too_many_pixels", f"A file of this kind may have {most} pixels at most.")


def _draft(image: Image.Image, draft_side: int) -> None:
    """Lets libjpeg decode at a fraction of the scale, where that leaves twice the pixels that are needed."""
    width, height = image.size
    for scale in (8, 4, 2):
        if max(width, height) // scale >= 2 * draft_side:
            image.draft(None, (max(1, width // scale), max(1, height // scale)))
            return


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Finds what sets a loaded picture upright by its EXIF; TIFFs have been turned by Pillow's `load`.

    `ImageOps.exif_transpose` would not do: it fails on photos whose other EXIF entries are damaged.
    """
    if image.format == "TIFF":
        return None
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except _PILLOW_ERRORS:
        # Damaged metadata does not make the pixels worse; browsers show such a photo as it is stored.
        return None
