"""The rows of a scan as a table: filtered, sorted, and as files for a spreadsheet or a notebook."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pandas as pd

from src.client import ApiError, Prediction
from src.ui.scan import Row
from src.ui.strings import catalogue as text
from src.ui.strings import shared
from src.ui.strings import verdict as verdict_text
from src.ui.wording import file_name

Show = Literal["all", "ai_generated", "real", "review", "error"]
Sort = Literal["probability", "doubt", "name", "order"]
Why = Callable[[ApiError], str]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LAST = 2.0
_ONLY_IF_SAID = {"says", "error"}
_NO_WORDS = {"verdict": "", "says": "", "error": "", "id": ""}


def count(rows: Sequence[Row]) -> dict[Show, int]:
    """Return how many rows each filter shows."""
    names: tuple[Show, ...] = ("all", "ai_generated", "real", "review", "error")
    return {name: len(select(rows, name, "")) for name in names}


def select(rows: Sequence[Row], show: Show, search: str) -> list[Row]:
    """Return the rows of one kind whose names contain `search`, whatever its case."""
    wanted = search.strip().casefold()
    return [row for row in rows if _is(row, show) and wanted in row.name.casefold()]


def arrange(rows: Sequence[Row], by: Sort) -> list[Row]:
    """Sort rows; those without a verdict come last where the verdict decides."""
    keys: dict[Sort, Callable[[Row], Any]] = {
        "probability": lambda row: -_probability(row, -1.0),
        "doubt": _doubt,
        "name": lambda row: row.name.casefold(),
        "order": lambda row: row.order,
    }
    return sorted(rows, key=keys[by])


def frame(rows: Sequence[Row], why: Why) -> pd.DataFrame:
    """Return rows as the table that is shown.

    Args:
        rows: In the order to show them.
        why: Puts an error into a sentence.
    """
    cells = [_cells(row, why) for row in rows]
    # Columns that say nothing take room from those that do.
    said = [name for name in text.TABLE if name not in _ONLY_IF_SAID or any(cell.get(name) for cell in cells)]
    return pd.DataFrame(cells, columns=said).rename(columns=text.TABLE)


def plain(rows: Sequence[Row], why: Why) -> pd.DataFrame:
    """Return rows as they are exported: machine-readable values, no pictures."""
    return pd.DataFrame(
        [_exported(row, why) for row in rows],
        columns=[
            *("name", "label", "probability", "needs_review", "threshold", "policy", "model_version"),
            *("provenance", "prediction_id", "error_code", "error"),
        ],
    ).astype({"probability": "float64", "threshold": "float64", "needs_review": "boolean"})


def to_csv(table: pd.DataFrame) -> bytes:
    """Write CSV that a spreadsheet opens as text: no cell of a stranger begins a formula."""
    safe = table.copy()
    for column in safe.select_dtypes(include=["object", "string"]):
        safe[column] = safe[column].map(_harmless)
    return safe.to_csv(index=False).encode("utf-8")


def to_parquet(table: pd.DataFrame) -> bytes:
    """Write Parquet."""
    stream = io.BytesIO()
    table.to_parquet(stream, index=False)
    return stream.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _is(row: Row, show: Show) -> bool:
    if show == "all":
        return True
    if isinstance(row.outcome, ApiError):
        return show == "error"
    if show == "review":
        return _review(row.outcome)
    return row.outcome.label == show


def _review(found: Prediction) -> bool:
    return found.needs_review or found.provenance.needs_review


def _probability(row: Row, without: float) -> float:
    return row.outcome.probability if isinstance(row.outcome, Prediction) else without


def _doubt(row: Row) -> float:
    if isinstance(row.outcome, ApiError):
        return _LAST
    return abs(row.outcome.probability - row.outcome.threshold)


def _cells(row: Row, why: Why) -> dict[str, object]:
    shown: dict[str, object] = {"photo": row.thumbnail, "name": file_name(row.name), **_NO_WORDS}
    if isinstance(row.outcome, ApiError):
        return shown | {"error": why(row.outcome)}
    found = row.outcome
    says = {verdict_text.SAYS.get(each.says or "unknown", "") for each in found.provenance.signals}
    return shown | {
        "verdict": shared.LABELS[found.label],
        "probability": 100.0 * found.probability,
        "needs_review": _review(found),
        "says": ", ".join(sorted(filter(None, says))),
        "id": found.id,
    }


def _exported(row: Row, why: Why) -> dict[str, object]:
    if isinstance(row.outcome, ApiError):
        return {"name": row.name, "error_code": row.outcome.code, "error": why(row.outcome)}
    found = row.outcome
    return {
        "name": row.name,
        "label": found.label,
        "probability": found.probability,
        "needs_review": _review(found),
        "threshold": found.threshold,
        "policy": found.policy,
        "model_version": found.model_version,
        "provenance": ";".join(f"{each.kind}:{each.says}" for each in found.provenance.signals),
        "prediction_id": found.id,
    }
