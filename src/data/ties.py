"""Pairs of photos that show the same picture come in; units and blocks that may not be parted go out.

Splits divide units (groups), folds divide blocks (sources), so a near duplicate can never sit on both sides.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from src.data.manifest import PhotoRecord
from src.utils.errors import DataError

TIE_COLUMNS = ("photo_a", "photo_b", "reason")

Tie = tuple[str, str]


class UnionFind:
    """Disjoint sets of names with path halving (Tarjan, 1975); a set is named by its smallest member."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, name: str) -> str:
        """The representative of `name`, which becomes a set of its own when new."""
        parent = self._parent
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    def union(self, first: str, second: str) -> None:
        """Join the sets of both names."""
        a, b = sorted((self.find(first), self.find(second)))
        self._parent[b] = a


def read_ties(path: Path) -> list[Tie]:
    """Read the pairs of photo ids in a ties file.

    Raises:
        DataError: the file is missing or has other columns.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != TIE_COLUMNS:
                raise DataError(f"{path.name}: columns are {reader.fieldnames}, expected {list(TIE_COLUMNS)}")
            return [(row["photo_a"], row["photo_b"]) for row in reader]
    except FileNotFoundError as error:
        raise DataError(f"no ties file at {path.name}") from error


def write_ties(path: Path, rows: Iterable[tuple[str, str, str]]) -> None:
    """Write rows of two photo ids and the reason why they belong together, in order."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(TIE_COLUMNS)
        writer.writerows(sorted(rows))


def tie_units(records: Sequence[PhotoRecord], ties: Iterable[Tie] = ()) -> dict[str, str]:
    """Photo id -> its unit: photos of one group, or of groups joined by a tie, share it.

    Raises:
        DataError: a tie names a photo that is not in `records`.
    """
    groups = {record.photo_id: record.group for record in records}
    sets = UnionFind()
    for first, second in ties:
        missing = {first, second} - groups.keys()
        if missing:
            raise DataError(f"ties name photos that the manifest does not have: {sorted(missing)}")
        sets.union(groups[first], groups[second])
    return {photo_id: sets.find(group) for photo_id, group in groups.items()}


def tie_blocks(records: Sequence[PhotoRecord], units: dict[str, str]) -> dict[str, str]:
    """Source -> its block: sources that share a unit (same group, or tied groups) share it."""
    sources_of: dict[str, list[str]] = defaultdict(list)
    sets = UnionFind()
    for record in records:
        sources_of[units[record.photo_id]].append(record.source)
    for sources in sources_of.values():
        for source in sources:
            sets.union(sources[0], source)
    return {record.source: sets.find(record.source) for record in records}
