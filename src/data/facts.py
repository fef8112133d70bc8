"""Facts of a file that say nothing of what is in the picture: size, codec, quality, metadata.

A detector that reads these instead of the picture has found a shortcut; validation measures how much they
give away in the data, evaluation whether the network follows them.
"""

import hashlib
import math
from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image, JpegImagePlugin
from pydantic import BaseModel, ConfigDict

from src.imaging.decode import sniff_format
from src.imaging.quality import estimate_quality
from src.utils.errors import CorruptImage, EmptyImage, UnsupportedImage

Subsampling = Literal["", "4:4:4", "4:2:2", "4:2:0", "other"]

_SAMPLINGS: dict[int, Subsampling] = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


class FileFacts(BaseModel):
    """What a file tells without its picture.

    Attributes:
        format: By magic bytes, as Pillow names it.
        width: Pixels, as stored (before EXIF orientation).
        height: Pixels, as stored.
        bytes: Length of the file.
        bytes_per_pixel: `bytes` by pixels.
        quality: Estimated IJG quality, 1 to 100, of a JPEG; None for other formats.
        quant_hash: First 8 hex digits of the sha256 of the JPEG's quantisation tables; "" for other formats.
        quant_mean: Mean of all entries of the tables; None for other formats.
        progressive: A progressive JPEG.
        subsampling: Of the JPEG's chroma; "" for other formats and for greyscale.
        has_exif: An EXIF block with anything in it.
        has_icc: An embedded colour profile.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    width: int
    height: int
    bytes: int
    bytes_per_pixel: float
    quality: int | None
    quant_hash: str
    quant_mean: float | None
    progressive: bool
    subsampling: Subsampling
    has_exif: bool
    has_icc: bool

    def numbers(self) -> dict[str, float]:
        """Every fact as a number, for correlations and classifiers; NaN where a format has no such fact."""
        facts = {
            "width": float(self.width),
            "height": float(self.height),
            "long_side": float(max(self.width, self.height)),
            "aspect": math.log(self.width / self.height),
            "bytes": float(self.bytes),
            "bytes_per_pixel": self.bytes_per_pixel,
            "quality": math.nan if self.quality is None else float(self.quality),
            "quant_mean": math.nan if self.quant_mean is None else self.quant_mean,
            "progressive": float(self.progressive),
            "has_exif": float(self.has_exif),
            "has_icc": float(self.has_icc),
        }
        facts |= {f"is_{name.lower()}": float(self.format == name) for name in ("JPEG", "PNG", "WEBP")}
        facts |= {f"chroma_{name}": float(self.subsampling == name) for name in ("4:4:4", "4:2:2", "4:2:0")}
        return facts


def open_facts(data: bytes) -> FileFacts:
    """Read a file's facts from its header; no pixel is decoded.

    Raises:
        EmptyImage: there are no bytes.
        UnsupportedImage: not an image format that is read here.
        CorruptImage: the header is damaged.
    """
    if not data:
        raise EmptyImage
    name = sniff_format(data)
    if name is None:
        raise UnsupportedImage
    try:
        with Image.open(BytesIO(data), formats=[name]) as image:
            return _facts(name, image, len(data))
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, Image.DecompressionBombError) as error:
        raise CorruptImage from error


def _facts(name: str, image: Image.Image, size: int) -> FileFacts:
    tables = getattr(image, "quantization", None) if name == "JPEG" else None
    return FileFacts(
        format=name,
        width=image.width,
        height=image.height,
        bytes=size,
        bytes_per_pixel=size / (image.width * image.height),
        quality=estimate_quality(tables[0]) if tables else None,
        quant_hash=_table_hash(tables) if tables else "",
        quant_mean=float(np.mean([value for table in tables.values() for value in table]))
        if tables
        else None,
        progressive=bool(image.info.get("progressive")),
        subsampling=_subsampling(image) if tables else "",
        has_exif=bool(image.info.get("exif")),
        has_icc=bool(image.info.get("icc_profile")),
    )


def _table_hash(tables: dict[int, list[int]]) -> str:
    text = ";".join(f"{key}:{','.join(map(str, tables[key]))}" for key in sorted(tables))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _subsampling(image: Image.Image) -> Subsampling:
    # A multi-picture file opens as its own class; only its layers are asked for.
    if len(getattr(image, "layer", ())) != 3:
        return ""
    return _SAMPLINGS.get(JpegImagePlugin.get_sampling(image), "other")
