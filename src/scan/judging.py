"""A shard's inputs in, its rows out: the service's own detector and its own reading of provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from src.inference.detector import Detection, Detector
from src.inference.provenance.combine import combine
from src.inference.provenance.inspector import inspect
from src.scan.items import Item
from src.scan.rows import Row

if TYPE_CHECKING:
    from src.inference.provenance.manifests import ManifestReader
    from src.scan.readers import Read, Reader

CHUNK = 4
"""Photos that are judged together."""

WORKER_DIED = "worker_died"
"""Code of a photo at which a worker process died, twice, with nothing else in work."""


class Shards:
    """Judges shards, for one policy.

    Args:
        detector: One thread's own.
        manifests: Reads C2PA manifests.
        reader: Reads inputs.
        policy: Of the detector's card.
    """

    def __init__(self, detector: Detector, manifests: ManifestReader, reader: Reader, policy: str) -> None:
        self._detector = detector
        self._manifests = manifests
        self._reader = reader
        self._policy = policy

    def rows(
        self,
        items: Sequence[Item],
        report: Callable[[int], None],
        alone: frozenset[int] = frozenset(),
        skip: frozenset[int] = frozenset(),
        kept: Mapping[int, Row] = MappingProxyType({}),
    ) -> list[Row]:
        """Judge a shard.

        Args:
            items: Its inputs.
            report: Told the number of the first input of each chunk before anything is done with it.
            alone: Inputs to judge by themselves.
            skip: Inputs not to touch.
            kept: Rows that are there already.

        Returns:
            A row for each input, in order.
        """
        rows: list[Row] = []
        taken = [item for number, item in enumerate(items) if number not in skip and number not in kept]
        contents = self._reader.read(taken)
        for start, stop in _chunks(len(items), alone | skip | kept.keys()):
            if start in kept:
                rows.append(kept[start])
                continue
            report(start)
            chunk = items[start:stop]
            if start in skip:
                rows.append(Row.wrong(chunk[0], None, self._policy, WORKER_DIED))
            else:
                rows += self._judge(chunk, list(islice(contents, len(chunk))))
        return rows

    def _judge(self, items: Sequence[Item], contents: Sequence[Read]) -> Iterator[Row]:
        readable = [data for data in contents if isinstance(data, bytes)]
        found = iter(self._detector.detect_batch(readable, self._policy))
        for item, data in zip(items, contents, strict=True):
            if not isinstance(data, bytes):
                yield Row.wrong(item, None, self._policy, data.code)
                continue
            result = next(found)
            if isinstance(result, Detection):
                provenance = inspect(data, self._manifests)
                yield Row.of(item, data, result, provenance, combine(result.label, provenance))
            else:
                yield Row.wrong(item, data, self._policy, result.code)


def _chunks(number: int, alone: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Bounds of chunks; those in `alone` have one of their own."""
    start = 0
    while start < number:
        stop = start + 1
        while start not in alone and stop < min(start + CHUNK, number) and stop not in alone:
            stop += 1
        yield start, stop
        start = stop
