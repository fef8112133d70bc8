"""What the command line tells about photos: one row each, as JSON lines, CSV, or a table for people."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from src.utils.errors import ImageError

if TYPE_CHECKING:
    from src.inference.detection import Detection


@dataclass(frozen=True, slots=True)
class Row:
    """One line of output: a verdict, or an error's code and message.

    Attributes:
        path: As it was found, `-` for stdin.
        label: By pixels, as all that follows but the provenance.
        provenance: What the file says, and what it means with the pixels; as in the API's reply.
        stability: How the verdict holds when the photo is saved again, where that was asked for.
        attribution: The family of generators that an AI-generated or doubtful picture resembles.
        error: Code, where there is no verdict.
        message: For people.
    """

    path: str
    label: str | None = None
    probability: float | None = None
    confidence: float | None = None
    needs_review: bool | None = None
    threshold: float | None = None
    policy: str | None = None
    model_version: str | None = None
    provenance: Mapping[str, Any] | None = None
    stability: Mapping[str, Any] | None = None
    attribution: Mapping[str, Any] | None = None
    error: str | None = None
    message: str | None = None

    @classmethod
    def of(cls, path: str, result: tuple[Detection, Mapping[str, Any]] | ImageError) -> Row:
        """Shape a result: a verdict and its provenance, or what is wrong with the photo."""
        if isinstance(result, ImageError):
            return cls(path, error=result.code, message=result.message)
        detection, provenance = result
        return cls(
            path,
            label=detection.label,
            probability=round(detection.probability, 6),
            confidence=round(detection.confidence, 6),
            needs_review=detection.needs_review,
            threshold=detection.threshold,
            policy=detection.policy,
            model_version=detection.model_version,
            provenance=provenance,
            stability=None if detection.stability is None else detection.stability.model_dump(),
            attribution=None if detection.attribution is None else detection.attribution.model_dump(),
        )

    @property
    def is_fake(self) -> bool:
        """Whether the photo is AI-generated, by its pixels or by a conclusive claim of its file."""
        return "ai_generated" in (self.label, (self.provenance or {}).get("label"))

    @property
    def origin(self) -> str:
        """The provenance in one line: what the label rests on, and each signal."""
        if self.provenance is None:
            return ""
        told = [
            f"{item['kind']} says {item['says']} ({item['strength']})" for item in self.provenance["signals"]
        ]
        return "; ".join([self.provenance["basis"], *told])

    @property
    def holds(self) -> str:
        """The stability in a few words; empty where it was not asked for."""
        if self.stability is None:
            return ""
        return f"{self.stability['score']:.2f}{', flips' if self.stability['flips'] else ''}"

    @property
    def resembles(self) -> str:
        """The attribution in a few words; empty where there is none."""
        if self.attribution is None:
            return ""
        if self.attribution["unknown"]:
            return "unknown"
        return f"{self.attribution['family']} ({self.attribution['confidence']:.0%})"


Write = Callable[[Row], None]


@contextmanager
def json_lines() -> Iterator[Write]:
    """Write each row as one JSON object, without what it does not have, as soon as it is known."""

    def write(row: Row) -> None:
        known = {key: value for key, value in asdict(row).items() if value is not None}
        sys.stdout.write(json.dumps(known, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    yield write


@contextmanager
def csv_lines() -> Iterator[Write]:
    """Write a header, and each row as soon as it is known."""
    table = csv.DictWriter(sys.stdout, [item.name for item in fields(Row)], lineterminator="\n")
    table.writeheader()
    yield lambda row: table.writerow(
        asdict(row) | {"provenance": row.origin, "stability": row.holds, "attribution": row.resembles}
    )


@contextmanager
def table() -> Iterator[Write]:
    """Write a table when all rows are known."""
    rows: list[Row] = []
    yield rows.append
    _print(rows)


def _more(row: Row) -> Iterator[str]:
    if row.holds:
        yield f"stability {row.holds}"
    if row.resembles:
        yield "generator unknown" if row.resembles == "unknown" else f"resembles {row.resembles}"


def _print(rows: Sequence[Row]) -> None:
    from rich.console import Console  # noqa: PLC0415 - JSON and CSV need none of it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    shown = Table("photo", "verdict", "AI probability", "provenance", "note")
    for row in rows:
        # `Text` keeps brackets in a file's name from being read as markup.
        if row.error is not None:
            verdict, probability, note = Text(row.error, "yellow"), "", row.message or ""
        else:
            verdict = Text(row.label or "", "red" if row.is_fake else "green")
            doubtful = row.needs_review or (row.provenance or {}).get("needs_review")
            probability = f"{row.probability:.1%}"
            note = "; ".join(filter(None, ["needs review" if doubtful else "", *_more(row)]))
        shown.add_row(Text(row.path, overflow="fold"), verdict, probability, Text(row.origin), note)
    Console().print(shown)
