"""Tables of photos: CSV with paths or addresses; Parquet with those or with the bytes themselves."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from src.scan.items import Item
from src.scan.places import opened
from src.utils.errors import ConfigError

_PHOTO = (
    "path",
    "file",
    "filename",
    "file_name",
    "image_path",
    "url",
    "image_url",
    "uri",
    "image",
    "bytes",
    "photo",
)
"""Names of the column that is taken when none is named, the first that the table has."""
_ID = ("id", "photo_id", "image_id", "product_id", "sku", "key", "__key__")
_ROWS = 4096
_BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "file"})
"""Where a row may say that its photo is, beside what the table itself lies at: fsspec knows schemes that
fetch from anywhere (`simplecache::http://...`), and a table may be a stranger's."""


class DamagedError(ConfigError):
    """A table that cannot be read, or not to its end."""


def list_table(address: str, short: str, column: str | None) -> Iterator[Item]:
    """List the rows of a table.

    Args:
        address: Of the file.
        short: Its name in the source; ids of rows without one begin with it.
        column: With paths (relative ones: to the table), addresses or bytes.

    Raises:
        ConfigError: It is no such table, or has no such column.
    """
    base = address.rpartition("/")[0]
    if address.lower().endswith(".parquet"):
        yield from _parquet(address, short, base, column)
    else:
        yield from _csv(address, short, base, column)


def bytes_column(schema: pa.Schema, name: str) -> str | None:
    """The path of a column's bytes: itself, `name.bytes` of a struct as Hugging Face writes it, or None."""
    kind = schema.field(name).type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return name
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return f"{name}.bytes"
    return None


def photo_column(names: Sequence[str], column: str | None) -> str:
    """The column to take.

    Raises:
        ConfigError: There is none of this name, or none that looks like photos.
    """
    if column is not None:
        if column not in names:
            raise ConfigError(f"the table has no column {column!r}")
        return column
    lower = {name.lower(): name for name in reversed(names)}
    found = next((lower[name] for name in _PHOTO if name in lower), None)
    if found is None:
        raise ConfigError(f"which column holds the photos? name it by --column: {', '.join(names)}")
    return found


def _id_column(names: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in _ID if name in lower), None)


def _csv(address: str, short: str, base: str, column: str | None) -> Iterator[Item]:
    try:
        with opened(address) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
            table = csv.DictReader(text, delimiter="\t" if address.lower().endswith(".tsv") else ",")
            names = list(table.fieldnames or ())
            photo, key = photo_column(names, column), _id_column(names)
            for number, row in enumerate(table):
                yield _named(row[photo] or "", row[key] if key else None, f"{short}#{number}", base)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{short} is no CSV file that can be read") from error


def _parquet(address: str, short: str, base: str, column: str | None) -> Iterator[Item]:
    try:
        with opened(address) as file, pq.ParquetFile(file) as table:
            schema = table.schema_arrow
            photo, key = photo_column(schema.names, column), _id_column(schema.names)
            with_bytes = bytes_column(schema, photo) is not None
            wanted = ([] if with_bytes else [photo]) + ([key] if key else [])
            number = 0
            for rows in _batches(table, wanted):
                for row in rows:
                    name = f"{short}#{number}"
                    own = row.get(key) if key else None
                    if with_bytes:
                        yield Item(name if own is None else str(own), "row", address, number)
                    else:
                        yield _named(str(row[photo] or ""), own, name, base)
                    number += 1
    except (OSError, pa.ArrowException) as error:
        raise DamagedError(f"{short} is no Parquet file that can be read") from error


def _batches(table: pq.ParquetFile, columns: list[str]) -> Iterator[list[dict[str, object]]]:
    if not columns:  # nothing to read: only the number of rows counts
        for group in range(table.num_row_groups):
            yield [{} for _ in range(table.metadata.row_group(group).num_rows)]
        return
    for batch in table.iter_batches(batch_size=_ROWS, columns=columns):
        yield batch.to_pylist()


def _named(place: str, own: object, name: str, base: str) -> Item:
    """A row that says where its photo is; one that says nothing becomes a row with an error."""
    key = name if own is None or own == "" else str(own)
    scheme, remote, _ = place.partition("://")
    if remote:
        # What is neither a bucket nor may be fetched is refused by whoever fetches, with a code.
        known = scheme in _BUCKETS or f"{scheme}://" == base[: len(scheme) + 3]
        return Item(key, "file" if known and "::" not in place else "url", place)
    if place and not place.startswith("/"):
        place = f"{base}/{place}"
    return Item(key, "file", place)
