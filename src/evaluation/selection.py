"""Which photos a command works on: a named selection of the splits, joined with the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.data.manifest import PhotoRecord, manifest_hash, read_manifest
from src.data.splits import Split, read_splits, splits_hash
from src.utils.errors import ConfigError, DataError

_SPLITS = ("train", "val", "test", "heldout")


@dataclass(frozen=True, slots=True)
class Selection:
    """Photos with their splits, in the manifest's order."""

    records: list[PhotoRecord]
    splits: dict[str, Split]
    manifest_hash: str
    splits_hash: str


def select(manifest: Path, splits: Path, wanted: str, *, may_be_empty: bool = False) -> Selection:
    """Read the manifest and the splits and keep what was asked for.

    Args:
        manifest: CSV of photos.
        splits: CSV of splits.
        wanted: `train`, `val`, `test`, `heldout`, `all`, or `fold:K` (the shops of fold K, without what
            is held out: thresholds must not learn from it).
        may_be_empty: Whether a selection of nothing is fine.

    Raises:
        ConfigError: `wanted` is none of these.
        DataError: A file is invalid, a photo has no split, or nothing is selected.
    """
    records, by_id = read_manifest(manifest), read_splits(splits)
    missing = sum(record.photo_id not in by_id for record in records)
    if missing:
        raise DataError(f"{missing} photos of the manifest have no split: make the splits anew")
    chosen = [record for record in records if _matches(by_id[record.photo_id], wanted)]
    if not chosen and not may_be_empty:
        raise DataError(f"no photo is selected by {wanted!r}")
    return Selection(chosen, by_id, manifest_hash(records), splits_hash(by_id.values()))


def _matches(split: Split, wanted: str) -> bool:
    if wanted == "all" or wanted in _SPLITS:
        return wanted in ("all", split.split)
    kind, _, number = wanted.partition(":")
    if kind != "fold" or not number.isdecimal():
        raise ConfigError(f"cannot select {wanted!r}: use {', '.join(_SPLITS)}, all or fold:K")
    return split.fold == int(number) and split.split != "heldout"


def spread(records: Sequence[PhotoRecord], limit: int | None) -> list[PhotoRecord]:
    """At most `limit` photos, taken one a shop in turn, so that every shop has a say; the same each time."""
    if limit is None or len(records) <= limit:
        return list(records)
    by_source: dict[str, list[PhotoRecord]] = {}
    for record in sorted(records, key=lambda each: each.sha256):
        by_source.setdefault(record.source, []).append(record)
    rounds = max(len(group) for group in by_source.values())
    turns = (group[turn] for turn in range(rounds) for group in by_source.values() if turn < len(group))
    return [record for record, _ in zip(turns, range(limit), strict=False)]
