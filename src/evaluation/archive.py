"""The inputs of a report, small enough to commit: anyone can make the report anew without photos.

`scores.csv.gz` holds photo ids and logits alone (facts are joined from the manifest); `inputs.json` holds the
measurements that need photos: shortcut checks and latency.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from src.data.manifest import PhotoRecord
from src.data.splits import Split
from src.evaluation.latency import Latency
from src.evaluation.scores import ScoreRow, make_row
from src.evaluation.shortcut import ShortcutReport
from src.imaging.degrade import TIERS
from src.utils.errors import DataError

SCORES = "scores.csv.gz"
INPUTS = "inputs.json"
COLUMNS = ("dataset", "photo_id", "split", "fold", "tier", "logit", "global_logit", "crop_logit")
DATASETS = ("test", "unseen")


class Inputs(BaseModel):
    """What a report needs beside scores.

    Attributes:
        network: Hash of the released network, which `test` was scored with.
        fold_networks: Hashes of the networks that `unseen` was scored with.
        shortcut: Shortcut checks.
        latency: Of the released network.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str
    fold_networks: list[str]
    shortcut: list[ShortcutReport] = []
    latency: Latency | None = None


def write_archive(folder: Path, rows: dict[str, list[ScoreRow]], inputs: Inputs) -> None:
    """Write both files; the same input gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for dataset in DATASETS:
        for row in sorted(rows[dataset], key=lambda each: (each.photo_id, each.tier)):
            logits = (f"{value:.5f}" for value in (row.logit, row.global_logit, row.crop_logit))
            writer.writerow((dataset, row.photo_id, row.split, row.fold, row.tier, *logits))
    # Without a time stamp in the header, an unchanged table stays an unchanged file.
    (folder / SCORES).write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    (folder / INPUTS).write_text(inputs.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_archive(folder: Path, records: Sequence[PhotoRecord]) -> tuple[dict[str, list[ScoreRow]], Inputs]:
    """Read both files and join the scores with the manifest.

    Raises:
        DataError: A file is missing or invalid, or a photo is not in the manifest.
    """
    by_id = {record.photo_id: record for record in records}
    rows: dict[str, list[ScoreRow]] = {dataset: [] for dataset in DATASETS}
    try:
        inputs = Inputs.model_validate_json((folder / INPUTS).read_text(encoding="utf-8"))
        with gzip.open(folder / SCORES, "rt", newline="", encoding="utf-8") as file:
            for cells in csv.DictReader(file):
                rows[cells["dataset"]].append(_row(cells, by_id))
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise DataError(
            f"no {missing} in the report folder: score first, see the report's commands"
        ) from error
    except (KeyError, StopIteration, ValueError, ValidationError, EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"the report's inputs do not fit the manifest or are damaged: {error}") from error
    return rows, inputs


def _row(cells: dict[str, str], by_id: dict[str, PhotoRecord]) -> ScoreRow:
    split = Split.model_validate({name: cells[name] for name in ("photo_id", "split", "fold")})
    tier = next(tier for tier in TIERS if tier == cells["tier"])
    logits = (float(cells["logit"]), float(cells["global_logit"]), float(cells["crop_logit"]))
    return make_row(by_id[cells["photo_id"]], split, tier, logits)
