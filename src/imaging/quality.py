"""The quality that a JPEG was saved with, read from its quantisation tables; no pixel is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from PIL import Image

# Sum of the 64 entries of the luminance table of ITU-T T.81 Annex K.1.
_STANDARD_LUMINANCE_SUM = 3688


def estimate_quality(luminance: Sequence[int]) -> int:
    """IJG quality (1 to 100) whose scaling of the standard luminance table comes nearest to this one.

    libjpeg scales the table of ITU-T T.81 Annex K by 5000/q percent below quality 50 and by 200 - 2q above.
    The sum of the 64 entries is inverted here: exact for libjpeg's files of quality 20 to 99, and a fair
    equivalent for cameras with tables of their own.
    """
    percent = 100 * sum(luminance) / _STANDARD_LUMINANCE_SUM
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return int(min(100, max(1, round(quality))))


def jpeg_quality(data: bytes) -> int | None:
    """Estimated quality of a JPEG's bytes; None for other formats and damaged headers."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    try:
        with Image.open(BytesIO(data), formats=["JPEG"]) as image:
            tables = getattr(image, "quantization", None)
            return estimate_quality(tables[0]) if tables and 0 in tables else None
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, Image.DecompressionBombError):
        return None
