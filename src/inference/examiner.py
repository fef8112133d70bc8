"""What a photo's file says beside its pixels, found on a thread of its own while the pixels are judged."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
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

    @property
    def complete(self) -> bool:
        """Whether the file was read; otherwise it may say more."""
        return self.provenance.note is None


NOT_READ = Examined(Provenance(note="metadata not read in time"), None, 0.0)


class Examiner:
    """Reads metadata for many callers.

    Args:
        reader: Of C2PA manifests, with the authorities that it trusts.
        threads: Photos examined at once.
        patience_s: Seconds from a photo's acceptance that its reply may wait for the metadata.
    """

    def __init__(self, reader: ManifestReader, *, threads: int = 2, patience_s: float = 3.0) -> None:
        self._reader = reader
        self._patience_s = patience_s
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="examiner")
        self._lock = Lock()
        self._backlog = 0

    @classmethod
    def from_settings(cls, settings: Settings) -> Examiner:
        """Make one that trusts whom the settings name.

        Raises:
            ConfigError: The trust list cannot be read.
        """
        reader = ManifestReader.from_file(settings.trust_anchors, timeout_s=settings.provenance_timeout_s)
        # A manifest that takes all its time still leaves some for the rest of the file.
        return cls(reader, patience_s=1.5 * settings.provenance_timeout_s)

    @property
    def backlog(self) -> int:
        """Photos that wait to be read or are being read."""
        return self._backlog

    def examine(self, photo: bytes) -> asyncio.Future[Examined]:
        """Begin with a photo; cancel the future if nobody waits for it any more."""
        with self._lock:
            self._backlog += 1
        work = self._pool.submit(self._examine, photo)
        work.add_done_callback(self._done)
        return asyncio.wrap_future(work)

    async def result(
        self, examining: asyncio.Future[Examined], *, accepted: float, expires: float
    ) -> Examined:
        """Wait for what `examine` began, but not for long: the verdict by pixels is there already.

        Args:
            examining: As `examine` returned it; cancelled if it is not done in time.
            accepted: When the photo was accepted, by `perf_counter`.
            expires: When its answer must be there.

        Returns:
            What was found, or `NOT_READ`.
        """
        ends = min(accepted + self._patience_s, expires)
        try:
            async with asyncio.timeout(max(0.0, ends - perf_counter())):
                return await examining
        except TimeoutError:
            return NOT_READ

    def close(self) -> None:
        """Finish what runs; blocks until then."""
        self._pool.shutdown(cancel_futures=True)

    def _done(self, _: Future[Examined]) -> None:
        with self._lock:
            self._backlog -= 1

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
