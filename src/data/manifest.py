"""The manifest: a CSV of facts and addresses comes in, one frozen `PhotoRecord` a photo goes out.

Every other data job (fetch, splits, validation, training, evaluation) starts from these rows, so a wrong cell
is refused here, once, with its line number.
"""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from src.utils.errors import DataError

Label = Literal["real", "ai_generated"]
Style = Literal["", "seller", "studio", "render"]

CAMERA = "camera"
PHOTO_ID_LENGTH = 16

_Name = Annotated[str, Field(min_length=1)]
_Side = Annotated[int, Field(gt=0)]


class PhotoRecord(BaseModel):
    """One photo: what it shows, who made it, where the untouched original is, and its sizes in pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: _Name
    label: Label
    generator: _Name
    source: _Name
    group: _Name
    category: _Name
    product_like: Literal["yes", "partly", "unknown"]
    style: Style
    year: Annotated[int, Field(ge=1990, le=2100)] | None
    licence: _Name
    repo: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9._-]+$")]
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    repo_path: _Name
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    original_format: _Name
    original_width: _Side
    original_height: _Side
    width: _Side
    height: _Side

    @field_validator("year", mode="before")
    @classmethod
    def _empty_year_is_unknown(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("path", "repo_path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        # Both become file paths or URLs: a row must not be able to climb out of its folder or repository.
        pure = PurePosixPath(value)
        if pure.is_absolute() or ".." in pure.parts:
            raise ValueError("must be a relative path without '..'")
        return value

    @model_validator(mode="after")
    def _only_real_photos_have_a_camera(self) -> Self:
        if (self.label == "real") != (self.generator == CAMERA):
            raise ValueError(f"label {self.label!r} does not go with generator {self.generator!r}")
        return self

    @property
    def is_fake(self) -> bool:
        """True for an AI-generated picture (the positive class)."""
        return self.label == "ai_generated"

    @property
    def photo_id(self) -> str:
        """The first 16 hex digits of the original's sha256: names files and joins every table."""
        return self.sha256[:PHOTO_ID_LENGTH]


COLUMNS: tuple[str, ...] = tuple(PhotoRecord.model_fields)


def read_manifest(path: Path) -> list[PhotoRecord]:
    """Read and check a manifest, in file order.

    Raises:
        DataError: the file is missing, its columns differ, a cell is invalid, or a photo is listed twice.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise DataError(f"{path.name}: columns are {reader.fieldnames}, expected {list(COLUMNS)}")
            records = [_record(row, path.name, reader.line_num) for row in reader]
    except FileNotFoundError as error:
        raise DataError(f"no manifest at {path.name}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} is no UTF-8 CSV file: {error}") from error
    if len({record.photo_id for record in records}) != len(records):
        raise DataError(f"{path.name}: a photo is listed twice")
    return records


def write_manifest(path: Path, records: Iterable[PhotoRecord]) -> None:
    """Write `records` as CSV; `read_manifest` gives the same list back."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for record in records:
            writer.writerow(
                {key: "" if value is None else value for key, value in record.model_dump().items()}
            )


def manifest_hash(records: Sequence[PhotoRecord]) -> str:
    """Hex sha256 of all facts of all rows; the order of the rows does not matter."""
    digest = hashlib.sha256()
    for record in sorted(records, key=lambda each: each.sha256):
        digest.update(record.model_dump_json().encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _record(row: dict[str, str], name: str, line: int) -> PhotoRecord:
    try:
        return PhotoRecord.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "row"
        raise DataError(f"{name} line {line}, {where}: {first['msg']}") from error
