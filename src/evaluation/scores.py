"""Score tables: a row a photo and tier with the network's raw logits, as CSV on disk, as columns in memory.

Everything downstream (calibration, policies, report) works on these tables alone, without photos or a
network.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from src.data.families import family_of
from src.data.manifest import Label, PhotoRecord
from src.data.splits import Split, SplitName
from src.imaging.degrade import Tier
from src.utils.errors import DataError

Form = Literal["original", "stored"]
"""Which file of a photo was scored: the upload as it was, or the stored 512-px form."""


def parse_logits(cell: str) -> tuple[float, ...]:
    """`"1.5 -0.25"` -> its numbers."""
    return tuple(float(part) for part in cell.split())


Logits = Annotated[
    tuple[float, ...], BeforeValidator(lambda cell: parse_logits(cell) if isinstance(cell, str) else cell)
]


@dataclass(frozen=True, slots=True)
class ViewLogits:
    """Raw logits of one photo.

    Attributes:
        combined: Of the photo, by the view plan that it was scored with.
        whole: Of the global view.
        crops: Of each crop, most detailed first.
    """

    combined: float
    whole: float
    crops: tuple[float, ...]


class ScoreRow(BaseModel):
    """The raw logits of one photo in one tier, beside the facts that figures are sliced by.

    `logit` is combined by the view plan at the time of scoring; `crop_logits`, most detailed crop first, are
    empty where that plan had none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photo_id: str
    label: Label
    generator: str
    source: str
    group: str
    category: str
    style: str
    split: SplitName
    fold: int
    tier: Tier
    form: Form
    logit: float
    global_logit: float
    crop_logits: Logits


COLUMNS: tuple[str, ...] = tuple(ScoreRow.model_fields)


def make_row(record: PhotoRecord, split: Split, tier: Tier, form: Form, logits: ViewLogits) -> ScoreRow:
    """Join a photo's facts with its logits."""
    return ScoreRow(
        photo_id=record.photo_id,
        label=record.label,
        generator=record.generator,
        source=record.source,
        group=record.group,
        category=record.category,
        style=record.style,
        split=split.split,
        fold=split.fold,
        tier=tier,
        form=form,
        logit=logits.combined,
        global_logit=logits.whole,
        crop_logits=logits.crops,
    )


def csv_cells(row: ScoreRow) -> list[str]:
    """A row as CSV cells; logits keep five decimals, far below what moves a probability."""
    cells = {name: str(value) for name, value in row.model_dump().items()}
    return list((cells | logit_cells(row)).values())


def logit_cells(row: ScoreRow) -> dict[str, str]:
    """The three columns of logits."""
    return {
        "logit": f"{row.logit:.5f}",
        "global_logit": f"{row.global_logit:.5f}",
        "crop_logits": " ".join(f"{value:.5f}" for value in row.crop_logits),
    }


def read_scores(path: Path) -> list[ScoreRow]:
    """Read one score table.

    Raises:
        DataError: The file is missing, has other columns, a bad cell, or a logit that is not finite.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise DataError(f"{path.name} is no score table: its columns are {reader.fieldnames}")
            rows = [ScoreRow.model_validate(row) for row in reader]
    except FileNotFoundError as error:
        raise DataError(f"no score table {path.name}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise DataError(f"{path.name}: {first['loc']}: {first['msg']}") from error
    broken = next((row for row in rows if not _is_finite(row)), None)
    if broken is not None:
        raise DataError(f"{path.name}: a logit of {broken.photo_id} is not finite")
    return rows


def _is_finite(row: ScoreRow) -> bool:
    return all(math.isfinite(value) for value in (row.logit, row.global_logit, *row.crop_logits))


def write_scores(path: Path, rows: Iterable[ScoreRow]) -> None:
    """Write a whole score table, making its folder when it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(csv_cells(row) for row in rows)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """The columns of N score rows as arrays of length N; `fake` is True for AI-generated.

    `crop_logits` is [N, K], NaN behind the last crop of a photo that has fewer than K.
    """

    photo_id: NDArray[np.str_]
    fake: NDArray[np.bool_]
    generator: NDArray[np.str_]
    family: NDArray[np.str_]
    source: NDArray[np.str_]
    category: NDArray[np.str_]
    style: NDArray[np.str_]
    fold: NDArray[np.int64]
    tier: NDArray[np.str_]
    logit: NDArray[np.float64]
    global_logit: NDArray[np.float64]
    crop_logits: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.fake)

    def where(self, mask: NDArray[np.bool_]) -> ScoreTable:
        """The rows for which `mask` [N] holds."""
        return ScoreTable(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})

    def of_tier(self, tier: str) -> ScoreTable:
        """The rows of one tier."""
        return self.where(self.tier == tier)

    @property
    def tiers(self) -> list[str]:
        """The tiers that occur, easiest first."""
        return [tier for tier in ("clean", "web", "hard") if np.any(self.tier == tier)]


def as_table(rows: Sequence[ScoreRow]) -> ScoreTable:
    """Turn rows into columns.

    Raises:
        DataError: There is no row, or a photo occurs twice in one tier.
    """
    if not rows:
        raise DataError("the score table is empty")
    if len({(row.photo_id, row.tier) for row in rows}) != len(rows):
        raise DataError("a photo is scored twice in one tier: were tables of two models mixed?")

    def column(name: str) -> list[str]:
        return [str(getattr(row, name)) for row in rows]

    crops = np.full((len(rows), max(len(row.crop_logits) for row in rows)), np.nan)
    for index, row in enumerate(rows):
        crops[index, : len(row.crop_logits)] = row.crop_logits
    return ScoreTable(
        photo_id=np.array(column("photo_id")),
        fake=np.array([row.label == "ai_generated" for row in rows]),
        generator=np.array(column("generator")),
        family=np.array([family_of(row.generator) for row in rows]),
        source=np.array(column("source")),
        category=np.array(column("category")),
        style=np.array(column("style")),
        fold=np.array([row.fold for row in rows], dtype=np.int64),
        tier=np.array(column("tier")),
        logit=np.array([row.logit for row in rows], dtype=np.float64),
        global_logit=np.array([row.global_logit for row in rows], dtype=np.float64),
        crop_logits=crops,
    )
