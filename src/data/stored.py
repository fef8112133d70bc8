"""An original comes in, its stored form goes out: upright, on white, at most 512 px, JPEG quality 85.

Both labels go through exactly this, so that codec and size of publication are not the verdict.

The shared folder's stored forms were made before this code and differ from it in few ways: of 240 drawn by
chance, 227 are byte for byte the same, 10 (4 %) are of photos with a wide-gamut profile (Display P3, Adobe
RGB, c2), which here is converted to sRGB and there was dropped, so that their colours are paler (1.7 to 4.4
grey levels on average), and 3 have the same pixels and still carry the original's JPEG comment. Training and
evaluation take originals where they are; beside the shared folder, `make data` keeps its stored forms.
"""

from io import BytesIO
from pathlib import Path

from PIL import Image

from src.data.layout import original_path, stored_path
from src.data.manifest import PhotoRecord
from src.imaging.decode import ImageLimits, decode
from src.imaging.resize import resize_long

LONG_SIDE = 512
QUALITY = 85

_JPEG2000_MAGIC = b"\x00\x00\x00\x0cjP  "

# Originals are known by their sha256: the limits that guard a service would only lose photos here.
TRUSTED = ImageLimits(
    max_bytes=512 * 2**20,
    max_pixels=178_956_970,
    max_decoder_bytes=8 * 2**30,
    max_side=65_535,
    min_side=1,
    max_aspect=65_535.0,
    max_frames=100_000,
)


def stored_form(data: bytes) -> bytes:
    """The stored form of an original's bytes.

    Raises:
        ImageError: the bytes cannot be decoded.
    """
    image = resize_long(_decode(data), LONG_SIDE, Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _decode(data: bytes) -> Image.Image:
    # One shop publishes JPEG 2000, which the service does not accept and a catalogue may still hold.
    if data.startswith(_JPEG2000_MAGIC):
        with Image.open(BytesIO(data), formats=["JPEG2000"]) as image:
            return image.convert("RGB")
    return decode(data, TRUSTED)


def derive_stored(record: PhotoRecord, raw_dir: Path) -> bool:
    """Write the stored form from the original, when that is there and this is not; True if written.

    Raises:
        ImageError: the original cannot be decoded.
    """
    original, stored = original_path(record, raw_dir), stored_path(record, raw_dir)
    if stored.is_file() or not original.is_file():
        return False
    data = stored_form(original.read_bytes())
    stored.parent.mkdir(parents=True, exist_ok=True)
    part = stored.with_name(stored.name + ".part")
    part.write_bytes(data)
    part.replace(stored)
    return True
