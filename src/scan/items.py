"""One input of a scan: where its bytes lie, and the name that its row will carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Literal

import pyarrow as pa

Kind = Literal["file", "url", "tar", "row"]
"""`file`: of a disk or bucket. `url`: https. `tar`: a member of a tar file. `row`: bytes in a table."""

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Item:
    """An input.

    Attributes:
        id: What its row is called: the table's own id, or a path that is short and unique in the source.
        kind: How it is read.
        source: Path or address of the file that holds it.
        offset: `tar`: where its bytes begin; `row`: number of the row in the file.
        size: `tar`: number of its bytes.
    """

    id: str
    kind: Kind
    source: str
    offset: int = 0
    size: int = 0

    @property
    def where(self) -> str:
        """What the row says of its origin, for people and other programs."""
        if self.kind == "row":
            return f"{self.source}#{self.offset}"
        return f"{self.source}::{self.id}" if self.kind == "tar" else self.source


def to_table(items: Sequence[Item]) -> pa.Table:
    """Items as a table of `SCHEMA`."""
    columns = zip(*(astuple(item) for item in items), strict=True) if items else [[] for _ in SCHEMA]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def from_table(table: pa.Table) -> list[Item]:
    """The inverse of `to_table`."""
    columns = [table.column(name).to_pylist() for name in SCHEMA.names]
    return [Item(*values) for values in zip(*columns, strict=True)]
