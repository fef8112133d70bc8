"""How a seller's file was made, in bands of size and compression: stand-ins for cheap phones and small shops.

Size comes from the manifest; length and JPEG quality from `files.csv` beside it, which `python -m
src.evaluation.capture` writes from the originals, so that a report can be made without a photo.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.data.layout import original_path
from src.data.manifest import PhotoRecord, read_manifest
from src.evaluation.command import parser, run_command
from src.imaging.quality import jpeg_quality
from src.utils.errors import DataError

FILE = "files.csv"
COLUMNS = ("photo_id", "bytes", "quality")

_SIDES = (
    (500, "below 500 px"),
    (800, "500 to 799 px"),
    (1600, "800 to 1599 px"),
    (3000, "1600 to 2999 px"),
)
_LARGEST = "3000 px and more"
_QUALITIES = (
    (75, "JPEG, quality below 75"),
    (85, "JPEG, quality 75 to 84"),
    (95, "JPEG, quality 85 to 94"),
)
_FINEST = "JPEG, quality 95 and up"
_BYTES_PER_PIXEL = 0.5
_SMALL_FILE, _LARGE_FILE = "other, below 0.5 bytes a pixel", "other, 0.5 bytes a pixel and more"

BANDS: tuple[str, ...] = (
    *(name for _, name in _SIDES),
    _LARGEST,
    *(name for _, name in _QUALITIES),
    _FINEST,
    _SMALL_FILE,
    _LARGE_FILE,
)
"""Every band, in the order in which it is shown."""


@dataclass(frozen=True, slots=True)
class Capture:
    """One original.

    Attributes:
        width: Pixels.
        height: Pixels.
        bytes: Length of the file; None when it was not at hand.
        quality: Estimated IJG quality, 1 to 100; None for other formats than JPEG.
    """

    width: int
    height: int
    bytes: int | None = None
    quality: int | None = None

    @property
    def resolution(self) -> str:
        """The band of its longer side."""
        side = max(self.width, self.height)
        return next((name for limit, name in _SIDES if side < limit), _LARGEST)

    @property
    def compression(self) -> str:
        """The band of its JPEG quality, or of its bytes per pixel; "" when neither is known."""
        if self.quality is not None:
            quality = self.quality
            return next((name for limit, name in _QUALITIES if quality < limit), _FINEST)
        if self.bytes is None:
            return ""
        small = self.bytes / (self.width * self.height) < _BYTES_PER_PIXEL
        return _SMALL_FILE if small else _LARGE_FILE


def read_captures(manifest: Path, records: Iterable[PhotoRecord]) -> dict[str, Capture]:
    """Photo id -> its original; without `files.csv` beside the manifest, its size alone.

    Raises:
        DataError: `files.csv` has other columns or a cell that is no number.
    """
    path = manifest.with_name(FILE)
    known = _read(path) if path.is_file() else {}
    return {
        record.photo_id: Capture(
            record.original_width, record.original_height, *known.get(record.photo_id, (None, None))
        )
        for record in records
    }


def _read(path: Path) -> dict[str, tuple[int, int | None]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        if tuple(next(reader, ())) != COLUMNS:
            raise DataError(f"{path.name}: its columns are not {list(COLUMNS)}")
        try:
            return {name: (int(size), int(quality) if quality else None) for name, size, quality in reader}
        except ValueError as error:
            raise DataError(f"{path.name} line {reader.line_num}: {error}") from error


def write_captures(manifest: Path, records: Iterable[PhotoRecord], raw: Path) -> int:
    """Write `files.csv` beside the manifest from the originals that are at hand; returns how many are not.

    A file that is not the manifest's own, by its sha256, counts as missing.
    """
    rows, missing = [], 0
    for record in records:
        path = original_path(record, raw)
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != record.sha256:
            missing += 1
            continue
        quality = jpeg_quality(data)
        rows.append((record.photo_id, len(data), "" if quality is None else quality))
    with manifest.with_name(FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(sorted(rows))
    return missing


def main(argv: Sequence[str]) -> int:
    """Write the table; exit code 1 when originals are missing from it."""
    args = parser("src.evaluation.capture", __doc__)
    args.add_argument("--manifest", type=Path, default=Path("data/manifest.csv"))
    args.add_argument("--raw", type=Path, default=Path("data/raw"))
    options = args.parse_args(argv)
    missing = write_captures(options.manifest, read_manifest(options.manifest), options.raw)
    sys.stdout.write(f"{missing} originals are not at hand\n")
    return 1 if missing else 0


if __name__ == "__main__":
    run_command(main)
