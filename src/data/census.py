"""Who is in the data, and in what files: counts by label and distributions of file facts by label."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from src.data.checks import Rows
from src.data.manifest import Label, PhotoRecord
from src.data.scan import Form
from src.data.splits import Split

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LABELS: tuple[Label, ...] = ("real", "ai_generated")

_NUMBERS = ("width", "height", "long_side", "bytes", "bytes_per_pixel", "quality", "quant_mean")
_TOP_TABLES = 12

Counts = dict[str, dict[str, int]]


class Balance(BaseModel):
    """Counts of photos by label; in `sources` and `groups`, counts of those.

    Attributes:
        photos: Label -> photos.
        sources: Label -> sources.
        groups: Label -> groups.
        tables: Column -> value -> label -> photos.
        source_sizes: Label -> quantiles of the number of photos a source has.
        largest_sources: Source -> photos, of the ten largest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: dict[str, int]
    sources: dict[str, int]
    groups: dict[str, int]
    tables: dict[str, Counts]
    source_sizes: dict[str, dict[str, float]]
    largest_sources: dict[str, int]


class FileCensus(BaseModel):
    """Distributions of the facts of one form of the files.

    Attributes:
        files: Label -> files.
        numbers: Fact -> label -> quantile -> value.
        categories: Fact -> value -> label -> files.
        tables: Hash of the quantisation tables -> label -> files; the most frequent ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: dict[str, int]
    numbers: dict[str, dict[str, dict[str, float]]]
    categories: dict[str, Counts]
    tables: Counts


def balance(records: Sequence[PhotoRecord], splits: Mapping[str, Split]) -> Balance:
    """Count photos, sources and groups by everything the manifest says of them, and by split and fold."""
    columns: dict[str, Callable[[PhotoRecord], str]] = {
        "style": lambda record: record.style or "ai_generated",
        "generator": lambda record: record.generator,
        "category": lambda record: record.category,
        "product_like": lambda record: record.product_like,
        "year": lambda record: str(record.year or "unknown"),
        "split": lambda record: _place(record, splits, lambda split: split.split),
        "fold": lambda record: _place(record, splits, lambda split: str(split.fold)),
    }
    sizes = {label: Counter(record.source for record in records if record.label == label) for label in LABELS}
    return Balance(
        photos=dict(Counter(record.label for record in records)),
        sources={label: len(sizes[label]) for label in LABELS},
        groups={
            label: len({record.group for record in records if record.label == label}) for label in LABELS
        },
        tables={
            name: _count((column(record), record.label) for record in records)
            for name, column in columns.items()
        },
        source_sizes={label: _quantiles(list(sizes[label].values())) for label in LABELS},
        largest_sources=dict(Counter(record.source for record in records).most_common(10)),
    )


def file_census(records: Sequence[PhotoRecord], rows: Rows, form: Form) -> FileCensus:
    """Distributions of the facts of all files of one form, by label."""
    label_of = {record.photo_id: record.label for record in records}
    facts = [
        (label_of[photo_id], row.facts)
        for photo_id, files in rows.items()
        for row in files
        if row.form == form and row.facts is not None
    ]
    numbers: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for label, fact in facts:
        for name, value in fact.numbers().items():
            if name in _NUMBERS and not np.isnan(value):
                numbers[name][label].append(value)
    tables = _count((fact.quant_hash, label) for label, fact in facts if fact.quant_hash)
    return FileCensus(
        files=dict(Counter(label for label, _ in facts)),
        numbers={
            name: {label: _quantiles(values) for label, values in by_label.items()}
            for name, by_label in numbers.items()
        },
        categories={
            "format": _count((fact.format, label) for label, fact in facts),
            "subsampling": _count((fact.subsampling or "none", label) for label, fact in facts),
            "progressive": _count((str(fact.progressive), label) for label, fact in facts),
            "has_exif": _count((str(fact.has_exif), label) for label, fact in facts),
            "has_icc": _count((str(fact.has_icc), label) for label, fact in facts),
        },
        tables=dict(list(tables.items())[:_TOP_TABLES]),
    )


def _place(record: PhotoRecord, splits: Mapping[str, Split], name: Callable[[Split], str]) -> str:
    split = splits.get(record.photo_id)
    return name(split) if split else "none"


def _count(pairs: Iterable[tuple[str, str]]) -> Counts:
    """Value -> label -> number, the most frequent value first."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for value, label in pairs:
        counts[value][label] += 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1].total(), item[0]))
    return {value: dict(sorted(labels.items())) for value, labels in ordered}


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    found = np.quantile(np.asarray(values, dtype=np.float64), QUANTILES)
    return {f"p{round(100 * q)}": round(float(value), 3) for q, value in zip(QUANTILES, found, strict=True)}
