"""Photos under `data/raw` come in, one row of facts a file goes out: readable, how encoded, which hashes.

Rows are appended to a JSON-lines file as they come, so a scan that was broken off goes on where it stopped,
and a second one reads nothing again that has not changed.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from src.data.duplicates import difference_hash, hash_to_hex
from src.data.facts import FileFacts, open_facts
from src.data.layout import original_path, stored_path
from src.data.manifest import PhotoRecord
from src.data.stored import LONG_SIDE, TRUSTED
from src.imaging.decode import decode
from src.utils.errors import ImageError

Form = Literal["original", "stored"]

_FLUSH_EVERY = 50


class ScanRow(BaseModel):
    """What one file of one photo is.

    Attributes:
        version: Of what is measured and how; rows of another one are measured again.
        photo_id: Whose file.
        form: Untouched original, or stored 512-px form.
        bytes: Length of the file.
        mtime_ns: Time of its last change, nanoseconds.
        sha256: Of the file.
        error: Code of the `ImageError` that decoding raised; "" when it can be read.
        facts: None when the header cannot be read.
        width: Upright, in pixels, as decoded (a large JPEG at a fraction of its scale), or 0.
        height: Likewise.
        dhash: `difference_hash` in hex; "" when the file cannot be read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1]
    photo_id: str
    form: Form
    bytes: int
    mtime_ns: int
    sha256: str
    error: str
    facts: FileFacts | None
    width: int
    height: int
    dhash: str

    @property
    def key(self) -> tuple[str, Form, int, int]:
        """The file and its version: the same key is the same content."""
        return self.photo_id, self.form, self.bytes, self.mtime_ns


def scan_file(record: PhotoRecord, form: Form, path: Path) -> ScanRow:
    """Read one file whole."""
    status = path.stat()
    data = path.read_bytes()
    row = ScanRow(
        version=1,
        photo_id=record.photo_id,
        form=form,
        bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        sha256=hashlib.sha256(data).hexdigest(),
        error="",
        facts=None,
        width=0,
        height=0,
        dhash="",
    )
    try:
        row = row.model_copy(update={"facts": open_facts(data)})
        image = decode(data, TRUSTED, draft_side=LONG_SIDE)
    except ImageError as error:
        return row.model_copy(update={"error": error.code})
    dhash = hash_to_hex(difference_hash(image))
    return row.model_copy(update={"width": image.width, "height": image.height, "dhash": dhash})


def scan(records: Iterable[PhotoRecord], raw_dir: Path, cache: Path) -> Iterator[list[ScanRow]]:
    """Rows of every file there is of each record, original first; a photo without any gives an empty list.

    Args:
        records: Whose files.
        raw_dir: The folder `data/raw`.
        cache: JSON-lines file of earlier rows; made when missing, added to.
    """
    known = _read_cache(cache)
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.open("a", encoding="utf-8") as file:
        for index, record in enumerate(records):
            rows: list[ScanRow] = []
            for form, path in _files(record, raw_dir):
                status = path.stat()
                row = known.get((record.photo_id, form, status.st_size, status.st_mtime_ns))
                if row is None:
                    row = scan_file(record, form, path)
                    file.write(row.model_dump_json() + "\n")
                rows.append(row)
            if index % _FLUSH_EVERY == 0:
                file.flush()
            yield rows


def _files(record: PhotoRecord, raw_dir: Path) -> Iterator[tuple[Form, Path]]:
    original, stored = original_path(record, raw_dir), stored_path(record, raw_dir)
    if original.is_file():
        yield "original", original
    if stored.is_file():
        yield "stored", stored


def _read_cache(cache: Path) -> dict[tuple[str, Form, int, int], ScanRow]:
    if not cache.is_file():
        return {}
    rows: dict[tuple[str, Form, int, int], ScanRow] = {}
    for line in cache.read_text(encoding="utf-8").splitlines():
        try:
            row = ScanRow.model_validate_json(line)
        except ValidationError:
            continue  # the last line of a scan that was killed, or an older form of the row
        rows[row.key] = row
    return rows
