"""Splits: manifest rows come in; train, val, test of known shops and folds over whole shops go out, seeded.

`test` and `val` take a share of the groups of each shop, so they measure known shops. `fold` parts whole
shops, so that every photo is once scored by a network that never saw its shop (the `unseen` figures).
"""

import csv
import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.data.heldout import TRAIN_CONFIG, held_out_of
from src.data.manifest import CAMERA, PhotoRecord, read_manifest
from src.data.ties import Tie, read_ties, tie_blocks, tie_units
from src.utils.errors import DataError

SplitName = Literal["train", "val", "test", "heldout"]
Stratum = tuple[str, str]
Shares = dict[SplitName, float]

SEED = 17

COLUMNS = ("photo_id", "split", "fold")


class Split(BaseModel):
    """Where one photo belongs: its split of known shops, and the fold in which its shop is unseen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    photo_id: str
    split: SplitName
    fold: Annotated[int, Field(ge=0)]


def make_splits(
    records: Sequence[PhotoRecord],
    seed: int = SEED,
    *,
    test_share: float = 0.12,
    val_share: float = 0.08,
    folds: int = 5,
    held_out_generators: Sequence[str] = (),
    ties: Iterable[Tie] = (),
) -> list[Split]:
    """One `Split` a record, in the order of `records`; the same for any order of them and the same seed.

    A shop of a single group goes to train: in test it would not be a known shop. A photo of a held-out
    generator takes its whole group along into `heldout`.

    Args:
        records: Manifest rows.
        seed: Of every draw.
        test_share: Wanted share of the photos of shops with two groups or more.
        val_share: The same for validation.
        folds: Number of folds over whole sources.
        held_out_generators: Generators of which nothing may be trained on.
        ties: Pairs of photo ids (near duplicates) that must stay together.

    Raises:
        DataError: impossible shares or folds, or a held-out generator that no record has.
    """
    if min(test_share, val_share) < 0 or test_share + val_share > 0.5:
        raise DataError("test_share and val_share must not be negative, and at most 0.5 together")
    _check_generators(records, held_out_generators)
    units = tie_units(records, ties)
    blocks = tie_blocks(records, units)
    held_out = {units[record.photo_id] for record in records if record.generator in set(held_out_generators)}
    known = [record for record in records if units[record.photo_id] not in held_out]
    shares: Shares = {"test": test_share, "val": val_share}
    split_of = _keep_ties(_split_groups(known, _draws(seed), shares), units, known)
    fold_of = _fold_blocks(records, blocks, _draws(seed + 1), folds)
    return [
        Split(
            photo_id=record.photo_id,
            split="heldout" if units[record.photo_id] in held_out else split_of[units[record.photo_id]],
            fold=fold_of[blocks[record.source]],
        )
        for record in records
    ]


def _draws(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - wants to be repeated, not to be secret


def _check_generators(records: Sequence[PhotoRecord], held_out: Sequence[str]) -> None:
    unknown = set(held_out) - {record.generator for record in records}
    if unknown or CAMERA in held_out:
        raise DataError(f"cannot hold out {sorted(unknown) or CAMERA}: not a generator of this manifest")


def _split_groups(records: Sequence[PhotoRecord], rng: random.Random, shares: Shares) -> dict[str, SplitName]:
    """Give each shop's share of groups to test and val, carrying what rounding left over to the next shop."""
    sizes = Counter(record.group for record in records)
    strata = _strata(records, {record.source: record.source for record in records})
    homes = _homes(records)
    split_of: dict[str, SplitName] = dict.fromkeys(sizes, "train")
    for stratum in sorted(set(strata.values())):
        shops = [source for source in sorted(homes) if strata[source] == stratum and len(homes[source]) > 1]
        rng.shuffle(shops)
        budget: Shares = dict.fromkeys(shares, 0.0)
        for shop in shops:
            order = sorted(homes[shop])
            rng.shuffle(order)
            total = sum(sizes[group] for group in order)
            quota = {name: share * total for name, share in shares.items()}
            budget = {name: left + quota[name] for name, left in budget.items()}
            split_of |= _spend(order, sizes, budget)
            # What a shop of few large groups could not give must not be taken out of the next shop.
            budget = {name: min(left, max(1.0, quota[name])) for name, left in budget.items()}
    return split_of


def _keep_ties(
    split_of: dict[str, SplitName], units: dict[str, str], records: Sequence[PhotoRecord]
) -> dict[str, SplitName]:
    """Unit -> split; tied groups that were drawn apart go to train.

    Ties are found after a first draw. Repairing it, instead of drawing anew, never moves a photo out of
    train, so a network that was trained before stays comparable.
    """
    drawn: dict[str, set[SplitName]] = defaultdict(set)
    for record in records:
        drawn[units[record.photo_id]].add(split_of[record.group])
    return {unit: names.pop() if len(names) == 1 else "train" for unit, names in drawn.items()}


def _spend(order: list[str], sizes: Counter[str], budget: Shares) -> dict[str, SplitName]:
    """Take groups of one shop out of train, in `order`, as far as `budget` (photos, reduced here) goes."""
    # The largest group stays in train, and half of the photos: else this would be no known shop.
    largest = max(order, key=lambda group: sizes[group])
    free = sum(sizes[group] for group in order) / 2
    taken: dict[str, SplitName] = {}
    for group in order:
        name = max(budget, key=lambda each: budget[each])
        if group != largest and sizes[group] <= free and budget[name] >= sizes[group] / 2:
            taken[group] = name
            budget[name] -= sizes[group]
            free -= sizes[group]
    return taken


def _homes(records: Sequence[PhotoRecord]) -> dict[str, list[str]]:
    """Source -> its groups; a group of several sources belongs to the one with most of its photos."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        counts[record.group][record.source] += 1
    homes: dict[str, list[str]] = defaultdict(list)
    for group, sources in counts.items():
        homes[min(sources, key=lambda source: (-sources[source], source))].append(group)
    return homes


def _strata(records: Sequence[PhotoRecord], blocks: dict[str, str]) -> dict[str, Stratum]:
    """Block -> its dominant label and style."""
    counts: dict[str, Counter[Stratum]] = defaultdict(Counter)
    for record in records:
        counts[blocks[record.source]][record.label, record.style] += 1
    return {
        block: min(strata, key=lambda stratum: (-strata[stratum], stratum))
        for block, strata in counts.items()
    }


def _fold_blocks(
    records: Sequence[PhotoRecord], blocks: dict[str, str], rng: random.Random, folds: int
) -> dict[str, int]:
    """Block -> fold.

    Within a stratum, blocks are dealt in rounds from large to small, one a fold, the largest of a round to
    the fold with fewest photos: sources are balanced by the rounds, photos by the dealing.
    """
    if not 2 <= folds <= len(set(blocks.values())):
        raise DataError(f"cannot deal {len(set(blocks.values()))} independent sources to {folds} folds")
    sizes = Counter(blocks[record.source] for record in records)
    strata = _strata(records, blocks)
    fold_of: dict[str, int] = {}
    dealt_sources, photos = Counter[int](), Counter[int]()
    for stratum in sorted(set(strata.values())):
        members = sorted(block for block, its in strata.items() if its == stratum)
        rng.shuffle(members)
        members.sort(key=lambda block: -sizes[block])
        of_stratum = Counter[int]()
        for start in range(0, len(members), folds):
            deal = members[start : start + folds]
            order = list(range(folds))
            if len(deal) < folds:
                order.sort(key=lambda fold: (dealt_sources[fold], of_stratum[fold]))
                order = order[: len(deal)]
            order.sort(key=lambda fold: (of_stratum[fold], photos[fold]))
            for block, fold in zip(deal, order, strict=True):
                fold_of[block] = fold
                of_stratum[fold] += sizes[block]
                photos[fold] += sizes[block]
                dealt_sources[fold] += 1
    return fold_of


def splits_hash(splits: Iterable[Split]) -> str:
    """Identity of an assignment: 16 hex digits that change when any photo changes its split or fold."""
    lines = sorted(f"{split.photo_id},{split.split},{split.fold}" for split in splits)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def splits_match(
    records: Iterable[PhotoRecord], splits: Mapping[str, Split], held_out_generators: Sequence[str]
) -> None:
    """Check that splits were made with these generators held out.

    Args:
        records: Manifest rows.
        splits: Photo id -> its split.
        held_out_generators: Generators of which nothing may be trained on.

    Raises:
        DataError: a photo of such a generator is in no split, or in another one than `heldout`.
    """
    held_out = set(held_out_generators)
    astray = Counter(
        record.generator
        for record in records
        if record.generator in held_out
        and (record.photo_id not in splits or splits[record.photo_id].split != "heldout")
    )
    if astray:
        named = ", ".join(f"{name} ({count} photos)" for name, count in sorted(astray.items()))
        raise DataError(f"the splits do not hold out {named}; make them anew: `python -m src.data.splits`")


def write_splits(path: Path, splits: Iterable[Split]) -> None:
    """Write `splits` as CSV (`photo_id,split,fold`), making the folder when it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((split.photo_id, split.split, split.fold) for split in splits)


def read_splits(path: Path) -> dict[str, Split]:
    """Photo id -> its `Split`.

    Raises:
        DataError: the file is missing, malformed, or lists a photo twice.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            splits = [Split.model_validate(row) for row in csv.DictReader(file)]
    except FileNotFoundError as error:
        raise DataError(
            f"no splits at {path}; `make data` makes photos and splits, `python -m src.data.splits` these"
        ) from error
    except ValidationError as error:
        raise DataError(f"{path.name} is no splits file: {error.errors()[0]['msg']}") from error
    by_id = {split.photo_id: split for split in splits}
    if len(by_id) != len(splits):
        raise DataError(f"{path.name}: a photo is listed twice")
    return by_id


def main(
    *,
    manifest: Path = Path("data/manifest.csv"),
    out: Path = Path("data/processed/splits.csv"),
    seed: int = SEED,
    test_share: float = 0.12,
    val_share: float = 0.08,
    folds: int = 5,
    held_out_generator: Annotated[
        list[str] | None, typer.Option(help="May be repeated; otherwise the training configuration's.")
    ] = None,
    config: Annotated[Path, typer.Option(help="Names `data.held_out_generators`.")] = TRAIN_CONFIG,
    ties: Annotated[Path, typer.Option(help="Near duplicates that stay together.")] = Path("data/ties.csv"),
) -> None:
    """Divide the manifest's photos and write who is where."""
    splits = make_splits(
        read_manifest(manifest),
        seed,
        test_share=test_share,
        val_share=val_share,
        folds=folds,
        held_out_generators=held_out_of(config, held_out_generator),
        ties=read_ties(ties) if ties.exists() else (),
    )
    write_splits(out, splits)
    for name, count in sorted(Counter(split.split for split in splits).items()):
        typer.echo(f"{name:8} {count:6} photos")
    for fold, count in sorted(Counter(split.fold for split in splits).items()):
        typer.echo(f"fold {fold}   {count:6} photos")


if __name__ == "__main__":
    typer.run(main)
