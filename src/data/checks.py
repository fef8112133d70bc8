"""Rules that rows, files and splits must keep come together here: facts in, a list of `Problem` out."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from src.data.manifest import PhotoRecord
from src.data.scan import ScanRow
from src.data.splits import Split
from src.data.stored import LONG_SIDE

SHOWN = 20

Rows = Mapping[str, Sequence[ScanRow]]


class Problem(BaseModel):
    """A broken rule. An error makes validation fail; a warning is for a person to judge.

    Attributes:
        severity: "error" or "warning".
        check: Stable name of the rule.
        message: What is wrong, for a reader.
        count: How many photos (or groups, sources) break it.
        examples: The first of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    severity: Literal["error", "warning"]
    check: str
    message: str
    count: int
    examples: tuple[str, ...]


def problem(
    severity: Literal["error", "warning"], check: str, message: str, culprits: Iterable[str]
) -> list[Problem]:
    """One `Problem` when there are culprits, else none."""
    names = sorted(culprits)
    if not names:
        return []
    return [
        Problem(
            severity=severity, check=check, message=message, count=len(names), examples=tuple(names[:SHOWN])
        )
    ]


def check_manifest(records: Sequence[PhotoRecord]) -> list[Problem]:
    """Rules across rows; those of a single cell are kept by `read_manifest`."""
    labels_of_group = _values(records, lambda record: record.group, lambda record: record.label)
    labels_of_source = _values(records, lambda record: record.source, lambda record: record.label)
    return [
        *problem(
            "error",
            "path_names_photo",
            "the path is not images/<photo id>.jpg",
            (record.photo_id for record in records if record.path != f"images/{record.photo_id}.jpg"),
        ),
        *problem(
            "error",
            "group_has_one_label",
            "a group holds real and AI-generated photos",
            (group for group, labels in labels_of_group.items() if len(labels) > 1),
        ),
        *problem(
            "warning",
            "source_has_one_label",
            "a source holds real and AI-generated photos",
            (source for source, labels in labels_of_source.items() if len(labels) > 1),
        ),
        *problem(
            "error",
            "style_is_of_real_photos",
            "a real photo has no style, or an AI-generated picture has one",
            (record.photo_id for record in records if record.is_fake == bool(record.style)),
        ),
        *problem(
            "error",
            "stored_size",
            f"the stored form's long side is above {LONG_SIDE} px",
            (record.photo_id for record in records if max(record.width, record.height) > LONG_SIDE),
        ),
        *problem(
            "warning",
            "year_is_known",
            "a real photo has no year: it may be younger than the image generators",
            (record.photo_id for record in records if not record.is_fake and record.year is None),
        ),
    ]


def check_files(records: Sequence[PhotoRecord], rows: Rows) -> list[Problem]:
    """Is each photo there, readable, untouched, and what the manifest says?"""
    missing, unreadable, half_readable, touched, other_facts, other_size = (set[str]() for _ in range(6))
    for record in records:
        files = rows.get(record.photo_id, ())
        if not files:
            missing.add(record.photo_id)
            continue
        broken = [row for row in files if row.error]
        if len(broken) == len(files):
            unreadable.add(record.photo_id)
        half_readable |= {f"{row.photo_id} {row.form}: {row.error}" for row in broken}
        for row in files:
            if row.form == "original" and row.sha256 != record.sha256:
                touched.add(record.photo_id)
            if row.form == "original" and not _facts_match(record, row):
                other_facts.add(record.photo_id)
            if (
                row.form == "stored"
                and not row.error
                and (row.width, row.height) != (record.width, record.height)
            ):
                other_size.add(record.photo_id)
    return [
        *problem("error", "file_is_there", "neither original nor stored form", missing),
        *problem("error", "photo_is_readable", "no file of the photo can be decoded", unreadable),
        *problem("warning", "file_is_readable", "a file cannot be decoded", half_readable),
        *problem("error", "original_is_untouched", "the original has another sha256", touched),
        *problem(
            "warning",
            "original_facts",
            "the original's format or size differs from the manifest",
            other_facts,
        ),
        *problem("warning", "stored_facts", "the stored form's size differs from the manifest", other_size),
    ]


def check_splits(records: Sequence[PhotoRecord], splits: Mapping[str, Split]) -> list[Problem]:
    """Has each photo one place, and does no group or source sit on two sides?"""
    known = [record for record in records if record.photo_id in splits]
    split_of_group = _values(known, lambda record: record.group, lambda record: splits[record.photo_id].split)
    fold_of_source = _values(known, lambda record: record.source, lambda record: splits[record.photo_id].fold)
    cells = _values(known, lambda record: splits[record.photo_id].split, lambda record: record.label)
    cells |= _values(
        known, lambda record: f"fold {splits[record.photo_id].fold}", lambda record: record.label
    )
    return [
        *problem(
            "error",
            "photo_has_split",
            "a photo of the manifest is in no split",
            (record.photo_id for record in records if record.photo_id not in splits),
        ),
        *problem(
            "error",
            "split_has_photo",
            "a photo of the splits is not in the manifest",
            splits.keys() - {record.photo_id for record in records},
        ),
        *problem(
            "error",
            "group_in_one_split",
            "a group straddles splits",
            (group for group, names in split_of_group.items() if len(names) > 1),
        ),
        *problem(
            "error",
            "source_in_one_fold",
            "a source straddles folds",
            (source for source, folds in fold_of_source.items() if len(folds) > 1),
        ),
        *problem(
            "error",
            "both_labels",
            "a split or fold holds one label only",
            (str(cell) for cell, labels in cells.items() if len(labels) < 2 and cell != "heldout"),
        ),
    ]


def _values(
    records: Iterable[PhotoRecord],
    key: Callable[[PhotoRecord], str],
    value: Callable[[PhotoRecord], str | int],
) -> dict[str, set[str | int]]:
    """Key -> the different values that its photos have."""
    values: dict[str, set[str | int]] = defaultdict(set)
    for record in records:
        values[key(record)].add(value(record))
    return values


def _facts_match(record: PhotoRecord, row: ScanRow) -> bool:
    if row.facts is None:
        return True  # it cannot be read, which is another rule
    wanted = {"MPO": "JPEG"}.get(record.original_format, record.original_format)
    sizes = {(record.original_width, record.original_height), (record.original_height, record.original_width)}
    return row.facts.format == wanted and (row.facts.width, row.facts.height) in sizes
