"""The shortcut check of a trained network as one JSON file: facts of files against its logit, re-encodings.

It passes when no fact correlates with the logit beyond 0.25 within a label, and when looking like the other
label's files costs at most 2 points of balanced accuracy. What being re-encoded at all costs is measured
beside it, as an explanation; it excuses nothing.
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
from src.evaluation.fit import load_table, load_unseen
from src.evaluation.origin import read_meta
from src.evaluation.plan import choice_of, replan
from src.evaluation.score import WORKERS, open_photo, score_image
from src.evaluation.scores import as_table
from src.evaluation.selection import select, spread
from src.inference.detector import Detector
from src.utils.errors import DataError, ImageError
from src.utils.model_card import ModelCard, ViewPlan

SEED = 17

log = structlog.get_logger(__name__)


class FactSet(BaseModel):
    """Correlations of one set of scores.

    Attributes:
        scores: Which photos: a selection, or `unseen` for all folds together.
        networks: Hashes of the networks that scored them.
        rows: Correlations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scores: str
    networks: list[str]
    rows: list[FactRow]

    @property
    def worst_spearman(self) -> float:
        """The largest |Spearman| of any fact within any label; 0 when no fact varies."""
        row = worst(self.rows)
        return abs(row.spearman.value or 0.0) if row else 0.0


class ShortcutReport(BaseModel):
    """One run of the check.

    Attributes:
        name: Which photos the counterfactual used.
        network: Hash of the network that judged them.
        facts: Correlations.
        counterfactual: Re-encodings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    network: str
    facts: list[FactSet]
    counterfactual: Counterfactual

    @property
    def passes(self) -> bool:
        """Whether both bars are met, the first by every set of scores."""
        cost = self.counterfactual.cost.value
        followed = max((each.worst_spearman for each in self.facts), default=0.0)
        return followed <= MAX_SPEARMAN and cost is not None and cost <= MAX_COST


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
        network=network,
        facts=[
            FactSet(
                scores=name,
                networks=[network],
                rows=check_facts(logits[:, 0], fake, source, [photo.facts.numbers() for photo in photos]),
            )
        ],
        counterfactual=compare(fake, source, decided),
    )


def facts_from_tables(
    paths: Sequence[Path], records: Sequence[PhotoRecord], raw_dir: Path, plan: ViewPlan
) -> FactSet:
    """Correlate the clean logits of whole score tables with the photos' files; nothing is scored.

    Raises:
        DataError: A table is invalid, or several tables are not of folds.
    """
    metas = [read_meta(path) for path in paths]
    name = metas[0].select
    if name.startswith("fold:"):
        table, name = as_table(load_unseen(paths)[1]), "unseen"
    elif len(metas) == 1:
        table = load_table(paths)
    else:
        raise DataError("only tables of folds are taken together: name each other table by its own --scores")
    table = replan(table.of_tier("clean"), choice_of(plan))
    by_id = {record.photo_id: record for record in records}
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(lambda photo_id: read_facts(by_id[photo_id], raw_dir), table.photo_id.tolist()))
    kept = np.array([facts is not None for facts in found])
    numbers = [facts.numbers() for facts in found if facts is not None]
    rows = check_facts(table.logit[kept], table.fake[kept], table.source[kept], numbers)
    return FactSet(scores=name, networks=sorted({meta.network for meta in metas}), rows=rows)


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
            image, _ = open_photo(record, raw_dir, detector.card.views.max_side)
            variants = (image if donor is None else resemble(image, donor) for donor in donors)
            return [score_image(detector, variant).combined for variant in variants]

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
    args.add_argument(
        "--scores",
        nargs="+",
        action="append",
        default=None,
        help="score tables to correlate with the facts; may be repeated, once for each set",
    )
    args.add_argument("--out", type=Path, default=Path("outputs/scores/shortcut.json"))
    options = args.parse_args(argv)
    selection = select(options.manifest, options.splits, options.select)
    detector = Detector.from_file(options.model, threads=1)
    photos = photos_of(spread(selection.records, options.limit), options.raw, detector)
    if not photos:
        raise DataError("none of the selected photos is under the raw folder")
    report = run_check(photos, detector.card, network_hash(options.model), options.select)
    if options.scores:
        records, plan = read_manifest(options.manifest), detector.card.views
        sets = [facts_from_tables(expand(each), records, options.raw, plan) for each in options.scores]
        report = report.model_copy(update={"facts": sets})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    log.info(
        "shortcut_check",
        passes=report.passes,
        worst_spearman={each.scores: round(each.worst_spearman, 3) for each in report.facts},
        cost_points=report.counterfactual.cost.value,
        of_which_control=report.counterfactual.control.value,
    )
    return 0 if report.passes else 1


if __name__ == "__main__":
    run_command(main)
