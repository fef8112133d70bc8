"""Divides photos for a rehearsal: what is trained on, known before, sent as traffic, and kept to judge by.

A family of generators is taken out of everything that happens before the incident. Whole shops are kept out
of training: to set thresholds and the drift reference by, to be sent, and to judge by.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from src.data.families import family_of
from src.data.manifest import PhotoRecord
from src.data.splits import Split
from src.evaluation.selection import spread
from src.utils.errors import DataError

_UNSEEN_FOLD = 0
_AWAY_SHARE = 0.2
"""Of the photos that could be trained on: shops that are sent, and that thresholds are set by, instead."""
_REFERENCE_SHARE = 0.6
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Pools:
    """Photos by what they are for; none is in two pools, and no group, except that all of `base` are known.

    Attributes:
        base: Every photo but those of the new family: the manifest before the incident.
        splits: Of `base`; shops kept out of training are `heldout`.
        reference: Calibration, thresholds, drift reference, and what a refit holds fast to.
        traffic: Known photos that are sent.
        judge_known: New photos of known shops that judge.
        judge_unseen: Photos of shops that no training saw, that judge.
        new_traffic: The new family's photos that are sent, and may be labelled.
        new_judge: Its photos that judge; none of them is ever learnt from.
    """

    base: list[PhotoRecord]
    splits: dict[str, Split]
    reference: list[PhotoRecord]
    traffic: list[PhotoRecord]
    judge_known: list[PhotoRecord]
    judge_unseen: list[PhotoRecord]
    new_traffic: list[PhotoRecord]
    new_judge: list[PhotoRecord]

    def counts(self) -> dict[str, int]:
        """Number of photos in each pool, and of those that are trained on."""
        names = ("reference", "traffic", "judge_known", "judge_unseen", "new_traffic", "new_judge")
        train = sum(split.split == "train" for split in self.splits.values())
        return {"train": train, **{name: len(getattr(self, name)) for name in names}}


def make_pools(
    records: Sequence[PhotoRecord],
    splits: dict[str, Split],
    family: str,
    *,
    limit: int | None = None,
    seed: int = 0,
) -> Pools:
    """Divide.

    Args:
        records: All photos.
        splits: Of them; one fold's shops are kept out of training.
        family: The new one, as `src.data.families` names it.
        limit: At most so many known photos, and a third as many new ones, spread over shops.
        seed: Of every draw.

    Raises:
        DataError: There are too few photos of the family or of something else to rehearse with.
    """
    new = [record for record in records if record.is_fake and family_of(record.generator) == family]
    groups = {record.group for record in new}
    # A product that both the family and others show would betray the one by the other.
    base = [record for record in records if record.group not in groups]
    if limit is not None:
        base, new = spread(base, limit), spread(new, max(30, limit // 3))
    unseen = [record for record in base if splits[record.photo_id].fold == _UNSEEN_FOLD]
    others = [
        each
        for each in base
        if splits[each.photo_id].fold != _UNSEEN_FOLD and splits[each.photo_id].split == "train"
    ]
    strange, _ = _divide(others, _AWAY_SHARE, seed + 4, _source)
    away = {record.photo_id for record in (*unseen, *strange)}
    mine = {
        record.photo_id: splits[record.photo_id].model_copy(update={"split": "heldout"})
        if record.photo_id in away
        else splits[record.photo_id]
        for record in base
    }
    # The held-out split of others would be neither seen nor unseen here.
    known = [record for record in base if record.photo_id not in away]

    def of(name: str) -> list[PhotoRecord]:
        return [record for record in known if splits[record.photo_id].split == name]

    before, judge_unseen = _divide(unseen, _HALF, seed, lambda record: f"{record.is_fake}|{record.source}")
    reference, traffic = _divide([*of("val"), *before, *strange], _REFERENCE_SHARE, seed + 1, _group)
    more, judge_known = _divide(of("test"), _HALF, seed + 2, _group)
    new_traffic, new_judge = _divide(new, _HALF, seed + 3, _group)
    pools = Pools(base, mine, reference, [*traffic, *more], judge_known, judge_unseen, new_traffic, new_judge)
    short = [name for name, count in pools.counts().items() if count < 10]
    if short:
        raise DataError(f"too few photos to rehearse with family {family!r}: {', '.join(short)}")
    return pools


def _group(record: PhotoRecord) -> str:
    return record.group


def _source(record: PhotoRecord) -> str:
    return record.source


def _divide(
    records: Sequence[PhotoRecord], share: float, seed: int, key: Callable[[PhotoRecord], str]
) -> tuple[list[PhotoRecord], list[PhotoRecord]]:
    """Two parts of each label, the first with about this share of it; what has one key stays together."""
    first: set[str] = set()
    for fake in (False, True):
        sizes: dict[str, int] = {}
        for record in records:
            if record.is_fake == fake:
                sizes[key(record)] = sizes.get(key(record), 0) + 1
        order = sorted(sizes)
        random.Random(seed).shuffle(order)  # noqa: S311 - wants to be repeated, not to be secret
        left = share * sum(sizes.values())
        for name in order:
            if name not in first and sizes[name] / 2 <= left:
                first.add(name)
                left -= sizes[name]
    inside = [record for record in records if key(record) in first]
    return inside, [record for record in records if key(record) not in first]
