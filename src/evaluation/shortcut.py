"""The shortcut check of a trained network as one JSON file: facts of files against its logit, re-encodings.

It passes when no fact correlates with the logit beyond 0.25 within a label, and when looking like the other
label's files costs at most 2 points of balanced accuracy more than being re-encoded at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
from pydantic import BaseModel, ConfigDict
from rich.progress import track

from src.data.facts import FileFacts, open_facts
from src.data.layout import locate
from src.data.manifest import PhotoRecord, read_manifest
from src.evaluation.card import network_hash
from src.evaluation.command import expand, parser, run_command
from src.evaluation.counterfactual import MAX_COST, VARIANTS, Counterfactual, compare, donors_of, resemble
from src.evaluation.factcheck import MAX_SPEARMAN, FactRow, check_facts, worst
from src.evaluation.fit import load_table
from src.evaluation.metrics import FloatArray
from src.evaluation.score import WORKERS, open_photo, score_image
from src.evaluation.selection import select, spread
from src.inference.detector import Detector
from src.utils.errors import DataError, ImageError
from src.utils.model_card import ModelCard

SEED = 17

log = structlog.get_logger(__name__)


class ShortcutReport(BaseModel):
    """One run of the check.

    Attributes:
        name: Which photos the counterfactual used.
        facts_from: Which photos the correlations used.
        network: Hash of the network.
        facts: Correlations.
        counterfactual: Re-encodings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    facts_from: str
    network: str
    facts: list[FactRow]
    counterfactual: Counterfactual

    @property
    def worst_spearman(self) -> float:
        """The largest |Spearman| of any fact within any label; 0 when no fact varies."""
        row = worst(self.facts)
        return abs(row.spearman.value or 0.0) if row else 0.0

    @property
    def passes(self) -> bool:
        """Whether both bars are met."""
        net = self.counterfactual.net.value
        return self.worst_spearman <= MAX_SPEARMAN and net is not None and net <= MAX_COST


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo of the check: its facts, and how to score it in the likeness of files (None: as it is)."""

    fake: bool
    source: str
    facts: FileFacts
    score: Callable[[Sequence[FileFacts | None]], list[float]]


def run_check(
    photos: Sequence[Photo], card: ModelCard, network: str, name: str, *, seed: int = SEED
) -> ShortcutReport:
    """Score every photo three times and correlate its untouched logit with its file's facts.

    Raises:
        DataError: A label is absent.
    """
    fake = np.array([photo.fake for photo in photos], dtype=bool)
    source = np.array([photo.source for photo in photos])
    donors = donors_of([photo.facts for photo in photos], fake, source, seed)

    def work(index: int) -> list[float]:
        return photos[index].score([None, donors["own"][index], donors["other"][index]])

    with ThreadPoolExecutor(WORKERS) as pool:
        scored = pool.map(work, range(len(photos)))
        finished = list(track(scored, description=f"re-encode {name}", total=len(photos)))
    logits = np.array(finished, dtype=np.float64)
    threshold = card.policy()[1].threshold
    decided = {
        variant: np.asarray(card.calibration.probability(logits[:, column]) >= threshold)
        for column, variant in enumerate(VARIANTS)
    }
    return ShortcutReport(
        name=name,
        facts_from=name,
        network=network,
        facts=check_facts(logits[:, 0], fake, source, [photo.facts.numbers() for photo in photos]),
        counterfactual=compare(fake, source, decided),
    )


def facts_from_tables(paths: Sequence[Path], records: Sequence[PhotoRecord], raw_dir: Path) -> list[FactRow]:
    """Correlate the clean logits of whole score tables with the photos' files; nothing is scored."""
    table = load_table(paths).of_tier("clean")
    by_id = {record.photo_id: record for record in records}
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(lambda name: read_facts(by_id[name], raw_dir), table.photo_id.tolist()))
    kept = np.array([facts is not None for facts in found])
    logit: FloatArray = table.logit[kept]
    numbers = [facts.numbers() for facts in found if facts is not None]
    return check_facts(logit, table.fake[kept], table.source[kept], numbers)


def read_facts(record: PhotoRecord, raw_dir: Path) -> FileFacts | None:
    """The facts of the file that is scored for a photo; None (and a log line) where it cannot be read."""
    path = locate(record, raw_dir)
    if path is None:
        log.warning("photo_missing", photo_id=record.photo_id)
        return None
    try:
        return open_facts(path.read_bytes())
    except ImageError as error:
        log.warning("photo_unreadable", photo_id=record.photo_id, code=error.code)
        return None


def photos_of(records: Sequence[PhotoRecord], raw_dir: Path, detector: Detector) -> list[Photo]:
    """The photos that can be read, each with its scoring function."""

    def photo(record: PhotoRecord, facts: FileFacts) -> Photo:
        def score(donors: Sequence[FileFacts | None]) -> list[float]:
            image = open_photo(record, raw_dir, detector.card.views.max_side)
            variants = (image if donor is None else resemble(image, donor) for donor in donors)
            return [score_image(detector, variant)[0] for variant in variants]

        return Photo(record.is_fake, record.source, facts, score)

    with_facts = ((record, read_facts(record, raw_dir)) for record in records)
    return [photo(record, facts) for record, facts in with_facts if facts is not None]


def main(argv: Sequence[str]) -> int:
    """Run the check; exit code 1 when the network follows a shortcut."""
    args = parser("src.evaluation.shortcut", __doc__)
    args.add_argument("--model", type=Path, default=Path("models/detector.onnx"))
    args.add_argument("--manifest", type=Path, default=Path("data/manifest.csv"))
    args.add_argument("--splits", type=Path, default=Path("data/processed/splits.csv"))
    args.add_argument("--raw", type=Path, default=Path("data/raw"))
    args.add_argument("--select", default="test", help="photos to re-encode: test, val, fold:K, ...")
    args.add_argument("--limit", type=int, default=None, help="at most so many photos, spread over shops")
    args.add_argument("--scores", nargs="+", default=None, help="score tables to correlate with the facts")
    args.add_argument("--out", type=Path, default=Path("outputs/scores/shortcut.json"))
    options = args.parse_args(argv)
    selection = select(options.manifest, options.splits, options.select)
    detector = Detector.from_file(options.model, threads=1)
    photos = photos_of(spread(selection.records, options.limit), options.raw, detector)
    if not photos:
        raise DataError("none of the selected photos is under the raw folder")
    report = run_check(photos, detector.card, network_hash(options.model), options.select)
    if options.scores:
        facts = facts_from_tables(expand(options.scores), read_manifest(options.manifest), options.raw)
        names = ", ".join(path.stem for path in expand(options.scores))
        report = report.model_copy(update={"facts": facts, "facts_from": names})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    log.info(
        "shortcut_check",
        passes=report.passes,
        worst_spearman=round(report.worst_spearman, 3),
        net_points=report.counterfactual.net.value,
    )
    return 0 if report.passes else 1


if __name__ == "__main__":
    run_command(main)
