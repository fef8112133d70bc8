"""WebDataset tar files: the photos in them and where their bytes lie, so that each can be read by itself."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator

from src.scan.items import Item
from src.scan.places import opened
from src.utils.errors import ConfigError
from src.utils.photo_files import PHOTO_SUFFIXES


def list_tar(address: str, short: str) -> Iterator[Item]:
    """List the photos of a tar file by its headers; what else it holds (`.json`, `.cls`) is passed over.

    A file that is damaged becomes an input itself, after the photos before the damage.

    Args:
        address: Of the file.
        short: Its name in the source; ids begin with it.

    Raises:
        ConfigError: It cannot be read.
    """
    suffixes = tuple(PHOTO_SUFFIXES)
    try:
        with opened(address) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            while (member := tar.next()) is not None:
                if member.size < 0:
                    raise tarfile.ReadError("a header that leads backwards")  # and round and round
                if member.isfile() and not member.issparse() and member.name.lower().endswith(suffixes):
                    yield Item(f"{short}/{member.name}", "tar", address, member.offset_data, member.size)
                tar.members.clear()  # type: ignore[attr-defined]  # a list of millions that nobody asks for
    except tarfile.TarError:
        yield Item(short, "file", address)  # a row with an error says that photos are missing
    except OSError as error:
        raise ConfigError(f"{short} cannot be read: {error.strerror or error}") from error
