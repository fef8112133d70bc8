"""What a photo's file says beside its pixels, found on a thread of its own while the pixels are judged."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

from src.imaging.decode import measure, sniff_format
from src.imaging.quality import jpeg_quality
from src.inference.provenance.inspector import inspect
from src.inference.provenance.manifests import ManifestReader
from src.inference.provenance.signals import Provenance
from src.store.records import PhotoFacts
from src.utils.errors import ImageError
from src.utils.settings import Settings


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found.

    Attributes:
        provenance: Signals of the photo's origin.
        facts: Format and size; none where the header is damaged.
        seconds: What finding them cost.
    """

    provenance: Provenance
    facts: PhotoFacts | None
    seconds: float


class Examiner:
    """Reads metadata for many callers.

    Args:
        reader: Of C2PA manifests, with the authorities that it trusts.
        threads: Photos examined at once.
    """

    def __init__(self, reader: ManifestReader, *, threads: int = 2) -> None:
        self._reader = reader
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="examiner")

    @classmethod
    def from_settings(cls, settings: Settings) -> Examiner:
        """Make one that trusts whom the settings name.

        Raises:
            ConfigError: The trust list cannot be read.
        """
        reader = ManifestReader.from_file(settings.trust_anchors, timeout_s=settings.provenance_timeout_s)
        return cls(reader)

    def examine(self, photo: bytes) -> asyncio.Future[Examined]:
        """Begin with a photo; cancel the future if nobody waits for it any more."""
        return asyncio.wrap_future(self._pool.submit(self._examine, photo))

    def close(self) -> None:
        """Finish what runs; blocks until then."""
        self._pool.shutdown(cancel_futures=True)

    def _examine(self, photo: bytes) -> Examined:
        start = perf_counter()
        provenance = inspect(photo, self._reader)
        return Examined(provenance, _facts(photo), perf_counter() - start)


def _facts(photo: bytes) -> PhotoFacts | None:
    try:
        width, height = measure(photo)
    except ImageError:
        return None
    return PhotoFacts(
        format=sniff_format(photo) or "unknown",
        width=width,
        height=height,
        bytes=len(photo),
        quality=jpeg_quality(photo),
    )
