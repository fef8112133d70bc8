"""One row an input: a verdict and why, or an error's code; a shard's rows are one Parquet file."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq

from src.scan.items import Item
from src.utils.errors import ScanError

if TYPE_CHECKING:
    from src.inference.detection import Detection
    from src.inference.provenance.combine import Combined
    from src.inference.provenance.signals import Provenance

_TALLY = b"detector_tally"
_COUNTS = ("rows", "fakes", "reals", "review", "unread")

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("label", pa.string()),
        pa.field("probability", pa.float64()),
        pa.field("needs_review", pa.bool_()),
        pa.field("threshold", pa.float64()),
        pa.field("policy", pa.string(), nullable=False),
        pa.field("hottest", pa.float64()),
        pa.field("hot_share", pa.float64()),
        pa.field("provenance_label", pa.string()),
        pa.field("provenance_basis", pa.string()),
        pa.field("provenance_needs_review", pa.bool_()),
        pa.field("signals", pa.list_(pa.string())),
        pa.field("error", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the result; its model version is the name of the folder that its file is in.

    Attributes:
        id: As the plan calls it.
        source: Where it came from.
        sha256: Of its bytes; none where there are none.
        label: By pixels, as are `probability`, `needs_review` and `threshold`: what `/predict` answers.
        hottest: Highest cell of the heatmap.
        hot_share: Share of the heatmap's cells at the threshold or above.
        provenance_label: By pixels and the file's own words, with `provenance_basis` and
            `provenance_needs_review` as in the API's reply.
        signals: The file's own words, each as `kind says (strength)`.
        error: Code, where there is no verdict.
    """

    id: str
    source: str
    sha256: str | None
    policy: str
    label: str | None = None
    probability: float | None = None
    needs_review: bool | None = None
    threshold: float | None = None
    hottest: float | None = None
    hot_share: float | None = None
    provenance_label: str | None = None
    provenance_basis: str | None = None
    provenance_needs_review: bool | None = None
    signals: tuple[str, ...] | None = None
    error: str | None = None

    @property
    def is_unread(self) -> bool:
        """Whether asking again might give a verdict: what was read and could not be judged never will be."""
        return self.error is not None and self.sha256 is None

    @classmethod
    def of(
        cls, item: Item, data: bytes, detection: Detection, provenance: Provenance, combined: Combined
    ) -> Self:
        """A verdict."""
        cells = [cell for line in detection.heatmap or () for cell in line]
        hot = sum(cell >= detection.threshold for cell in cells)
        return cls(
            item.id,
            item.where,
            hashlib.sha256(data).hexdigest(),
            detection.policy,
            label=detection.label,
            probability=detection.probability,
            needs_review=detection.needs_review,
            threshold=detection.threshold,
            hottest=max(cells, default=None),
            hot_share=hot / len(cells) if cells else None,
            provenance_label=combined.label,
            provenance_basis=combined.basis,
            provenance_needs_review=combined.needs_review,
            signals=tuple(f"{each.kind} {each.says} ({each.strength})" for each in provenance.signals),
        )

    @classmethod
    def wrong(cls, item: Item, data: bytes | None, policy: str, code: str) -> Self:
        """An error."""
        digest = None if data is None else hashlib.sha256(data).hexdigest()
        return cls(item.id, item.where, digest, policy, error=code)


@dataclass(slots=True)
class Tally:
    """How many rows say what.

    Attributes:
        rows: All.
        fakes: Labelled `ai_generated`.
        reals: Labelled `real`.
        review: With a verdict that a person should look at, for its pixels or for its words.
        unread: Without a verdict as there were no bytes to judge, or none that were let in: `Row.is_unread`.
        errors: Without a verdict, by code.
    """

    rows: int = 0
    fakes: int = 0
    reals: int = 0
    review: int = 0
    unread: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """Count rows."""
        tally = cls()
        for row in rows:
            tally.rows += 1
            tally.fakes += row.label == "ai_generated"
            tally.reals += row.label == "real"
            tally.review += bool(row.needs_review or row.provenance_needs_review)
            tally.unread += row.is_unread
            if row.error is not None:
                tally.errors[row.error] += 1
        return tally

    def to_json(self) -> str:
        """As `of_json` takes it."""
        return json.dumps({name: getattr(self, name) for name in (*_COUNTS, "errors")})

    @classmethod
    def of_json(cls, text: str | bytes) -> Self:
        """The inverse of `to_json`.

        Raises:
            ValueError, TypeError, KeyError: It is no such text.
        """
        found = json.loads(text)
        return cls(**{name: int(found[name]) for name in _COUNTS}, errors=Counter(found["errors"]))

    def add(self, other: Tally) -> None:
        """Count what another has counted, too."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.errors.update(other.errors)


def to_parquet(rows: Sequence[Row], model_sha256: str) -> bytes:
    """A shard's file; its metadata hold the tally, so that nobody needs to read the rows to know it."""
    columns = [pa.array([getattr(row, item.name) for row in rows], item.type) for item in SCHEMA]
    metadata = {
        _TALLY: Tally.of(rows).to_json().encode(),
        b"detector_model_sha256": model_sha256.encode(),
    }
    table = pa.table(columns, schema=SCHEMA.with_metadata(metadata))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_rows(file: pa.NativeFile | io.IOBase) -> list[Row]:
    """The rows of a shard's file, in order.

    Raises:
        ScanError: It is no such file.
    """
    try:
        found = pq.read_table(file, schema=SCHEMA).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ScanError("a file of the destination is damaged") from error
    return [
        Row(**row | {"signals": None if row["signals"] is None else tuple(row["signals"])}) for row in found
    ]


def read_tally(file: pa.NativeFile | io.IOBase) -> Tally:
    """The tally of a shard's file, from its footer.

    Raises:
        ScanError: It is no such file.
    """
    try:
        return Tally.of_json(pq.read_schema(file).metadata[_TALLY])
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise ScanError("a file of the destination is damaged") from error
