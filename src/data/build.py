"""`make data`: the manifest comes in, `data/raw` and the splits go out.

Stored forms are linked from a shared folder where there is one; originals come from a folder of git mirrors
(`python -m src.data.build --mirrors DIR`, or DETECTOR_DATA_MIRRORS), or by URL (`--base-url URL`, or
DETECTOR_DATA_BASE_URL). What is there already is kept, so a run can be broken off and started again.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from src.data.fetch import FetchOptions, Outcome, fetch_originals
from src.data.heldout import TRAIN_CONFIG, held_out_of
from src.data.layout import locate, stored_path
from src.data.manifest import PhotoRecord, read_manifest
from src.data.mirrors import copy_originals
from src.data.settings import load_data_settings
from src.data.splits import SEED, make_splits, read_splits, splits_match, write_splits
from src.data.stored import derive_stored
from src.data.ties import read_ties
from src.utils.errors import ConfigError, DataError, ImageError

_SHOWN_FAILURES = 20


class LinkMode(StrEnum):
    """How a stored form gets from the shared folder into `data/raw`."""

    SYMBOLIC = "symbolic"
    HARD = "hard"
    COPY = "copy"


def link_stored(records: Iterable[PhotoRecord], raw_dir: Path, shared: Path, mode: LinkMode) -> int:
    """Bring the stored forms that `shared` has under `raw_dir`; the number of new ones."""
    new = 0
    for record in records:
        source, target = shared / record.path, stored_path(record, raw_dir)
        if target.is_file() or not source.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # a link whose photo has moved away
        _link(source.resolve(), target, mode)
        new += 1
    return new


def _link(source: Path, target: Path, mode: LinkMode) -> None:
    if mode is LinkMode.SYMBOLIC:
        target.symlink_to(source)
        return
    if mode is LinkMode.HARD:
        try:
            os.link(source, target)
        except OSError:
            pass  # another file system: a copy serves as well
        else:
            return
    shutil.copyfile(source, target)


def derive_all(records: Iterable[PhotoRecord], raw_dir: Path) -> Iterator[Outcome]:
    """Derive the stored forms that are missing; one `Outcome` a photo."""
    for record in records:
        try:
            new = derive_stored(record, raw_dir)
        except ImageError as error:
            yield Outcome(record, "failed", f"no stored form: {error.code}")
        else:
            yield Outcome(record, "fetched" if new else "present")


def report_failures(console: Console, failures: Sequence[Outcome]) -> None:
    """Print how many photos failed for which reason, and the first of them."""
    reasons = Table("reason", "photos", title="Not to be had")
    for reason, count in Counter(failure.error for failure in failures).most_common(_SHOWN_FAILURES):
        reasons.add_row(reason, str(count))
    console.print(reasons)
    rows = Table("photo", "repository", "path", "reason")
    for failure in failures[:_SHOWN_FAILURES]:
        rows.add_row(failure.record.photo_id, failure.record.repo, failure.record.repo_path, failure.error)
    console.print(rows)


def _follow(console: Console, title: str, outcomes: Iterable[Outcome], total: int) -> list[Outcome]:
    """Run `outcomes` to their end behind a progress bar; the failures among them."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        tracked = progress.track(outcomes, total=total)
        return [outcome for outcome in tracked if outcome.status == "failed"]


def build(
    records: Sequence[PhotoRecord],
    raw_dir: Path,
    console: Console,
    *,
    shared: Path | None = None,
    mirrors: Path | None = None,
    options: FetchOptions | None = None,
    link: LinkMode = LinkMode.SYMBOLIC,
) -> list[Outcome]:
    """Bring all that can be had of `records` under `raw_dir`; what could not be had comes back.

    Originals are taken from `mirrors` when given, else by URL when `options` are given, else left out.
    """
    failures: list[Outcome] = []
    if shared is not None:
        console.print(f"{link_stored(records, raw_dir, shared, link)} stored photos linked")
    if mirrors is not None:
        failures += _follow(console, "mirrors", copy_originals(records, raw_dir, mirrors), len(records))
    elif options is not None:
        failures += _follow(console, "download", fetch_originals(records, raw_dir, options), len(records))
    failures += _follow(console, "stored form", derive_all(records, raw_dir), len(records))
    known = {failure.record.photo_id for failure in failures}
    failures += [
        Outcome(record, "failed", "neither original nor stored form")
        for record in records
        if record.photo_id not in known and locate(record, raw_dir) is None
    ]
    return failures


def settle_splits(
    path: Path, records: Sequence[PhotoRecord], held_out_generators: Sequence[str], ties: Path
) -> None:
    """Make the splits where there are none; those that are there must hold out these generators.

    Raises:
        DataError: they do not, or splits cannot be made of these records.
    """
    if not path.exists():
        known = read_ties(ties) if ties.exists() else ()
        write_splits(path, make_splits(records, SEED, held_out_generators=held_out_generators, ties=known))
    elif held_out_generators:
        splits_match(records, read_splits(path), held_out_generators)


def main(
    *,
    manifest: Path = Path("data/manifest.csv"),
    raw: Path = Path("data/raw"),
    shared: Annotated[Path, typer.Option(help="Folder with images/ beside it, used where it exists.")] = Path(
        "../shared/data"
    ),
    mirrors: Annotated[
        Path | None, typer.Option(help="Folder of bare git mirrors: take originals there.")
    ] = None,
    originals: Annotated[
        bool, typer.Option(help="Fetch originals by URL though stored photos are there.")
    ] = False,
    base_url: Annotated[str | None, typer.Option(help="Where {repo}/{commit}/{path} is served.")] = None,
    connections: Annotated[int, typer.Option(min=1, max=64)] = 8,
    link: LinkMode = LinkMode.SYMBOLIC,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first rows.")] = None,
    splits: Annotated[Path, typer.Option(help="Written when missing.")] = Path("data/processed/splits.csv"),
    ties: Annotated[Path, typer.Option(help="Near duplicates that stay together.")] = Path("data/ties.csv"),
    config: Annotated[Path, typer.Option(help="Names the generators to hold out.")] = TRAIN_CONFIG,
) -> None:
    """Build the data folder. Exit code 1: photos are missing; 2: manifest, splits or settings are wrong."""
    console = Console(stderr=True)
    try:
        settings = load_data_settings()
        every = read_manifest(manifest)
        settle_splits(splits, every, held_out_of(config), ties)
    except (ConfigError, DataError) as error:
        console.print(f"[red]{error.message}[/red]")
        raise typer.Exit(2) from error
    has_shared = (shared / "images").is_dir()
    by_url = originals or not has_shared
    failures = build(
        every[:limit],
        raw,
        console,
        shared=shared if has_shared else None,
        mirrors=mirrors or settings.mirrors,
        options=FetchOptions(base_url=base_url or settings.base_url, connections=connections)
        if by_url
        else None,
        link=link,
    )
    if failures:
        report_failures(console, failures)
        raise typer.Exit(1)
    console.print(f"{len(every[:limit])} photos are ready")


if __name__ == "__main__":
    typer.run(main)
