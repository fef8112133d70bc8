"""Where a photo lies under `data/raw`: the only place that knows the names of folders and files."""

from pathlib import Path

from src.data.manifest import PhotoRecord
from src.imaging.decode import SUPPORTED_FORMATS

STORED = "images"
ORIGINALS = "originals"

# A phone's multi-picture file is a JPEG with more JPEGs behind it: same bytes at the front, same decoder.
_EXTENSIONS = {"MPO": "jpeg"}
_READABLE = SUPPORTED_FORMATS | {"MPO"}


def stored_path(record: PhotoRecord, raw_dir: Path) -> Path:
    """Where the 512-px form is, or would be."""
    return raw_dir / STORED / f"{record.photo_id}.jpg"


def original_path(record: PhotoRecord, raw_dir: Path) -> Path:
    """Where the untouched original is, or would be."""
    kind = record.original_format
    return raw_dir / ORIGINALS / f"{record.photo_id}.{_EXTENSIONS.get(kind, kind.lower())}"


def locate(record: PhotoRecord, raw_dir: Path) -> Path | None:
    """The best file there is of a photo: the original where `imaging` reads its format, else the stored form.

    Returns:
        None when neither is there.
    """
    original = original_path(record, raw_dir)
    if record.original_format in _READABLE and original.is_file():
        return original
    stored = stored_path(record, raw_dir)
    return stored if stored.is_file() else None
