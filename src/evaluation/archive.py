"""The inputs of a report, small enough to commit: anyone can make the report anew without photos.

`scores.csv.gz` holds photo ids and logits alone (facts are joined from the manifest); `inputs.json` holds the
measurements that need photos (shortcut checks and latency) and where the scores come from.
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
from src.evaluation.origin import ScoreMeta
from src.evaluation.scores import Form, ScoreRow, ViewLogits, logit_cells, make_row, parse_logits
from src.evaluation.shortcut import ShortcutReport
from src.imaging.degrade import TIERS
from src.utils.errors import DataError

SCORES = "scores.csv.gz"
INPUTS = "inputs.json"
_FACTS = ("photo_id", "split", "fold", "tier", "form")
COLUMNS = ("dataset", *_FACTS, "logit", "global_logit", "crop_logits")
DATASETS = ("test", "unseen", "heldout")


class Inputs(BaseModel):
    """What a report needs beside scores.

    Attributes:
        network: Hash of the released network, which `test` and `heldout` were scored with.
        tables: Data set -> the metas of its score tables.
        shortcut: Shortcut checks.
        latency: Of the released network.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str
    tables: dict[str, list[ScoreMeta]]
    shortcut: list[ShortcutReport] = []
    latency: Latency | None = None

    @property
    def fold_networks(self) -> set[str]:
        """Hashes of the networks that `unseen` was scored with."""
        return {meta.network for meta in self.tables["unseen"]}


def write_archive(folder: Path, rows: dict[str, list[ScoreRow]], inputs: Inputs) -> None:
    """Write both files; the same input gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for dataset in DATASETS:
        for row in sorted(rows.get(dataset, []), key=lambda each: (each.photo_id, each.tier)):
            facts = (getattr(row, name) for name in _FACTS)
            writer.writerow((dataset, *facts, *logit_cells(row).values()))
    # Without a time stamp in the header, an unchanged table stays an unchanged file.
    (folder / SCORES).write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    (folder / INPUTS).write_text(inputs.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_archive(folder: Path, records: Sequence[PhotoRecord]) -> tuple[dict[str, list[ScoreRow]], Inputs]:
    """Read both files and join the scores with the manifest.

    Raises:
        DataError: A file is missing or invalid, or a photo is not in the manifest.
    """
    by_id = {record.photo_id: record for record in records}
    try:
        inputs = Inputs.model_validate_json((folder / INPUTS).read_text(encoding="utf-8"))
        rows: dict[str, list[ScoreRow]] = {dataset: [] for dataset in inputs.tables}
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
    crops = parse_logits(cells["crop_logits"])
    logits = ViewLogits(float(cells["logit"]), float(cells["global_logit"]), crops)
    form: Form = "stored" if cells["form"] == "stored" else "original"
    return make_row(by_id[cells["photo_id"]], split, tier, form, logits)
