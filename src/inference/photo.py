"""A photo in any form a caller has it (bytes, a path, a decoded picture) becomes one upright RGB picture."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from src.imaging.decode import ImageLimits, decode, normalise_picture
from src.utils.errors import EmptyImage, ImageError, ImageTooLarge
from src.utils.settings import Settings

Photo = bytes | Path | Image.Image


def limits_of(settings: Settings) -> ImageLimits:
    """What a photo may ask for, as the settings say."""
    return ImageLimits(**settings.model_dump(include=set(ImageLimits.model_fields)))


def open_photo(photo: Photo, limits: ImageLimits, max_side: int) -> Image.Image:
    """Open a photo.

    Args:
        photo: A file's bytes, its path, or a picture that is decoded already.
        limits: What a photo may ask for.
        max_side: Long side in pixels that the caller needs at most; huge JPEGs are then decoded reduced.

    Raises:
        ImageError: The photo cannot be used.
    """
    if isinstance(photo, Image.Image):
        return normalise_picture(photo, limits, draft_side=max_side)
    data = read_photo(photo, limits.max_bytes) if isinstance(photo, Path) else photo
    return decode(data, limits, draft_side=max_side)


def read_photo(path: Path, max_bytes: int) -> bytes:
    """Read a file whose size is looked at first.

    Raises:
        ImageError: Missing, a folder, not ours to read (`unreadable_file`), empty, or too large.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise ImageTooLarge("file_too_large", f"The file is larger than {max_bytes} bytes.")
        data = path.read_bytes()
    except OSError as error:
        raise ImageError("unreadable_file", f"The file cannot be read: {error.strerror}.") from error
    if not data:
        raise EmptyImage
    return data
