"""Hashes of all photos come in; pairs that show the same picture, and what they leak between, go out."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict

from src.data.checks import Problem, Rows, problem
from src.data.duplicates import MAX_COLOUR, colour_distance, hash_from_hex, near_pairs, same_shape
from src.data.manifest import PhotoRecord
from src.data.splits import Split

Kind = Literal["exact", "near", "lookalike"]
OpenPhoto = Callable[[PhotoRecord], Image.Image]


class Pair(BaseModel):
    """Two photos that look alike.

    Attributes:
        first: Photo id.
        second: Photo id.
        kind: "exact" (same bytes), "near" (same picture), or "lookalike" (hashes collide, the second measure
            says that the products differ; listed so that nothing is hidden).
        bits: Hamming distance of the 256-bit hashes.
        colour: `colour_distance`, 0 to 255.
        within: The closest thing that both share: their group, a unit of tied groups, a source, or nothing.
        crosses: What they lie on both sides of: "label", "split", "fold".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    second: str
    kind: Kind
    bits: int
    colour: float
    within: Literal["group", "unit", "source", ""]
    crosses: tuple[Literal["label", "split", "fold"], ...]

    @property
    def leaks(self) -> bool:
        """True when the same picture lies on both sides of something that must part pictures.

        A tie or a group holds a pair together in splits and folds; nothing excuses one picture of two labels.
        """
        if self.kind == "lookalike":
            return False
        return "label" in self.crosses or (bool(self.crosses) and self.within not in {"group", "unit"})


def find_pairs(
    records: Sequence[PhotoRecord],
    rows: Rows,
    splits: Mapping[str, Split],
    units: Mapping[str, str],
    open_photo: OpenPhoto,
) -> list[Pair]:
    """All pairs of photos with the same bytes or a hash within 10 bits, most alike first.

    Two photos of one shop are near duplicates by their hashes alone (a template with another label on
    the bottle). Photos of two shops must also agree in colour and shape.
    """
    by_id = {record.photo_id: record for record in records}
    exact = _exact_pairs(rows)
    pairs = []
    for first, second, bits in sorted(_candidates(records, rows, exact)):
        a, b = by_id[first], by_id[second]
        images = open_photo(a), open_photo(b)
        colour = colour_distance(*images)
        same = a.source == b.source or (colour <= MAX_COLOUR and same_shape(*images))
        pairs.append(
            Pair(
                first=first,
                second=second,
                kind="exact" if (first, second) in exact else "near" if same else "lookalike",
                bits=bits,
                colour=round(colour, 1),
                within=_within(a, b, units),
                crosses=_crosses(a, b, splits),
            )
        )
    return sorted(pairs, key=lambda pair: (pair.bits, pair.first, pair.second))


def check_pairs(pairs: Sequence[Pair]) -> list[Problem]:
    """Leaks are errors; look-alikes of both labels and near duplicates that nothing ties are warnings."""
    return [
        *problem(
            "error",
            "no_leak",
            "the same picture has both labels, or lies on both sides of a split or fold without a tie",
            (f"{pair.first} {pair.second}: {', '.join(pair.crosses)}" for pair in pairs if pair.leaks),
        ),
        *problem(
            "warning",
            "near_duplicates_are_tied",
            "near duplicates of different groups on one side; another seed may part them",
            (
                f"{pair.first} {pair.second}"
                for pair in pairs
                if pair.kind != "lookalike" and not pair.leaks and pair.within not in {"group", "unit"}
            ),
        ),
        *problem(
            "warning",
            "lookalikes_of_both_labels",
            "a real and an AI-generated photo collide in their hash, but differ in colour",
            (
                f"{pair.first} {pair.second}"
                for pair in pairs
                if pair.kind == "lookalike" and "label" in pair.crosses
            ),
        ),
    ]


def ties_of(pairs: Sequence[Pair]) -> list[tuple[str, str, str]]:
    """Rows of the ties file: same pictures of different groups. A wrong label is to be mended, not tied."""
    return [
        (pair.first, pair.second, f"{pair.kind} duplicate, {pair.bits} bits")
        for pair in pairs
        if pair.kind != "lookalike" and pair.within != "group" and "label" not in pair.crosses
    ]


def _exact_pairs(rows: Rows) -> set[tuple[str, str]]:
    owners: dict[str, set[str]] = defaultdict(set)
    for files in rows.values():
        for row in files:
            owners[row.sha256].add(row.photo_id)
    return {pair for ids in owners.values() for pair in combinations(sorted(ids), 2)}


def _candidates(
    records: Sequence[PhotoRecord], rows: Rows, exact: set[tuple[str, str]]
) -> Iterator[tuple[str, str, int]]:
    hashed: dict[str, str] = {}
    for record in records:
        readable = [row.dhash for row in rows.get(record.photo_id, ()) if row.dhash]
        if readable:
            hashed[record.photo_id] = readable[0]
    ids = sorted(hashed)
    if not ids:
        return
    table = np.stack([hash_from_hex(hashed[photo_id]) for photo_id in ids])
    found = {(ids[pair.first], ids[pair.second]): pair.bits for pair in near_pairs(table)}
    for first, second in found.keys() | {pair for pair in exact if set(pair) <= hashed.keys()}:
        yield first, second, found.get((first, second), 0)


def _within(
    a: PhotoRecord, b: PhotoRecord, units: Mapping[str, str]
) -> Literal["group", "unit", "source", ""]:
    if a.group == b.group:
        return "group"
    if units[a.photo_id] == units[b.photo_id]:
        return "unit"
    return "source" if a.source == b.source else ""


def _crosses(
    a: PhotoRecord, b: PhotoRecord, splits: Mapping[str, Split]
) -> tuple[Literal["label", "split", "fold"], ...]:
    crossed: list[Literal["label", "split", "fold"]] = []
    if a.label != b.label:
        crossed.append("label")
    first, second = splits.get(a.photo_id), splits.get(b.photo_id)
    if first is not None and second is not None:
        if first.split != second.split:
            crossed.append("split")
        if first.fold != second.fold:
            crossed.append("fold")
    return tuple(crossed)
