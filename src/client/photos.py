"""Photos as a caller has them, made ready to be sent: read one by one, grouped within a service's bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from src.client.errors import ApiError

Photo = bytes | Path

Group = list[bytes | ApiError]
"""Photos in the caller's order; an error where one could not be read."""


def read(photo: Photo) -> bytes:
    """Return a photo's bytes.

    Raises:
        ApiError: `unreadable_file`: there is no such file, or it is not ours to read.
    """
    if isinstance(photo, bytes):
        return photo
    try:
        return photo.read_bytes()
    except OSError as error:
        raise ApiError("unreadable_file", 0, f"the file cannot be read: {error.strerror}") from error


def groups(photos: Iterable[Photo], *, most: int, most_bytes: int) -> Iterator[Group]:
    """Group photos so that each group fits into one request; only one group is held at a time.

    Args:
        photos: In any number.
        most: Photos in a group.
        most_bytes: Bytes in a group; a photo larger than that has a group of its own.
    """
    group: Group = []
    held = 0
    for photo in photos:
        data = _read_or_error(photo)
        size = len(data) if isinstance(data, bytes) else 0
        if group and (len(group) >= most or held + size > most_bytes):
            yield group
            group, held = [], 0
        group.append(data)
        held += size
    if group:
        yield group


def _read_or_error(photo: Photo) -> bytes | ApiError:
    try:
        return read(photo)
    except ApiError as error:
        return error
