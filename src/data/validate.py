"""`make validate`: the manifest, the photos and the splits come in; a report and an exit code go out."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, get_args

import typer
from PIL import Image
from rich.console import Console
from rich.progress import track

from src.data.census import balance, file_census
from src.data.checks import Rows, check_files, check_manifest, check_splits
from src.data.layout import locate
from src.data.leaks import check_pairs, find_pairs, ties_of
from src.data.manifest import PhotoRecord, manifest_hash, read_manifest
from src.data.probe import probe_shortcut
from src.data.report import ValidationReport, write_report
from src.data.scan import Form, scan
from src.data.splits import read_splits
from src.data.stored import LONG_SIDE, TRUSTED
from src.data.ties import Tie, read_ties, tie_units, write_ties
from src.imaging.decode import decode
from src.utils.errors import DataError

FORMS: tuple[Form, ...] = get_args(Form)


def validate(
    records: Sequence[PhotoRecord], rows: Rows, splits_file: Path, ties: Sequence[Tie], raw_dir: Path
) -> ValidationReport:
    """Check everything and measure the shortcut.

    Args:
        records: Of the manifest.
        rows: Photo id -> its scanned files.
        splits_file: What `src.data.splits` wrote.
        ties: Near duplicates that were tied for those splits.
        raw_dir: Where look-alikes are opened for a second look.

    Raises:
        DataError: the splits cannot be read.
    """
    splits = read_splits(splits_file)

    def open_photo(record: PhotoRecord) -> Image.Image:
        path = locate(record, raw_dir)
        if path is None:
            raise DataError(f"photo {record.photo_id} went away during validation")
        return decode(path.read_bytes(), TRUSTED, draft_side=LONG_SIDE)

    pairs = find_pairs(records, rows, splits, tie_units(records, ties), open_photo)
    problems = [
        *check_manifest(records),
        *check_files(records, rows),
        *check_splits(records, splits),
        *check_pairs(pairs),
    ]
    probes = {form: probe_shortcut(records, rows, form) for form in FORMS}
    return ValidationReport(
        manifest_hash=manifest_hash(records),
        photos=len(records),
        files=dict(Counter(row.form for files in rows.values() for row in files)),
        problems=tuple(sorted(problems, key=lambda found: found.severity)),
        pairs=tuple(pairs),
        balance=balance(records, splits),
        census={form: file_census(records, rows, form) for form in FORMS},
        probe={form: found for form, found in probes.items() if found is not None},
    )


def summarise(report: ValidationReport, console: Console) -> None:
    """Print the verdict, the problems and the strength of the shortcut."""
    for found in report.problems:
        colour = "red" if found.severity == "error" else "yellow"
        console.print(f"[{colour}]{found.severity}[/{colour}] {found.check}: {found.message} ({found.count})")
    for form, probe in report.probe.items():
        console.print(f"{form}: file facts alone reach AUROC {probe.auroc_trees:.3f} on unknown shops")
    console.print("valid" if report.ok else "not valid")


def main(
    *,
    manifest: Path = Path("data/manifest.csv"),
    raw: Path = Path("data/raw"),
    splits: Path = Path("data/processed/splits.csv"),
    ties: Path = Path("data/ties.csv"),
    cache: Annotated[Path, typer.Option(help="Facts of files already read.")] = Path(
        "data/processed/scan.jsonl"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("reports/data"),
    update_ties: Annotated[
        bool, typer.Option(help="Write the near duplicates found to the ties file.")
    ] = False,
) -> None:
    """Validate the data. Exit code 1: a rule is broken; 2: manifest, splits or ties cannot be read."""
    console = Console(stderr=True)
    try:
        records = read_manifest(manifest)
        known = read_ties(ties) if ties.exists() else []
        files = track(scan(records, raw, cache), "reading photos", total=len(records), console=console)
        rows = {record.photo_id: found for record, found in zip(records, files, strict=True)}
        report = validate(records, rows, splits, known, raw)
    except DataError as error:
        console.print(f"[red]{error.message}[/red]")
        raise typer.Exit(2) from error
    write_report(report, out)
    if update_ties:
        write_ties(ties, ties_of(report.pairs))
    summarise(report, console)
    if not report.ok:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
