"""How verdicts on one fixed sample move when pictures are re-encoded, scaled, cut, framed or printed.

Per change: specificity, recall, AUROC and the share of labels that flip, with intervals over shops, as JSON,
a page and a plot.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

from src.data.manifest import PhotoRecord
from src.evaluation.bootstrap import REPLICATES, intervals
from src.evaluation.command import parser, run_command
from src.evaluation.metrics import BoolArray, FloatArray, decision_metrics, ranking_metrics
from src.evaluation.robustness_changes import CHANGES, UNTOUCHED, Change
from src.evaluation.robustness_figures import ChangeRow, Robustness
from src.evaluation.robustness_page import draw, render
from src.evaluation.robustness_sample import (
    Sitting,
    add_sample_options,
    describe,
    open_limited,
    open_sittings,
)
from src.evaluation.score import WORKERS, score_image
from src.utils.errors import DataError
from src.utils.model_card import ModelCard

PHOTOS = 200
STRICT = "low_false_positive"


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Logits of N photos under C changes.

    Attributes:
        records: The photos.
        logits: float [C, N].
    """

    records: list[PhotoRecord]
    logits: FloatArray


def generator_for(record: PhotoRecord, change: Change) -> np.random.Generator:
    """Random choices that hang on photo and change alone, not on the order of work."""
    digest = hashlib.sha256(f"{record.photo_id}|{change.name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def judge(sittings: Sequence[Sitting], raw: Path, changes: Sequence[Change]) -> Judged:
    """Score every photo under every change, on two threads; photos that cannot be read are left out.

    Raises:
        DataError: None can be read.
    """

    def work(task: tuple[Sitting, PhotoRecord]) -> tuple[PhotoRecord, list[float]] | None:
        sitting, record = task
        image = open_limited(record, raw, sitting.detector.card.views.max_side)
        if image is None:
            return None
        changed = (change.apply(image, generator_for(record, change)) for change in changes)
        return record, [score_image(sitting.detector, each).combined for each in changed]

    tasks = [(sitting, record) for sitting in sittings for record in sitting.records]
    with ThreadPoolExecutor(WORKERS) as pool:
        done = [
            each
            for each in track(pool.map(work, tasks), "judge photos", total=len(tasks))
            if each is not None
        ]
    if not done:
        raise DataError("no photo of the sample could be read")
    return Judged([record for record, _ in done], np.array([logits for _, logits in done]).T)


def measure(
    judged: Judged, changes: Sequence[Change], card: ModelCard, *, replicates: int = REPLICATES
) -> list[ChangeRow]:
    """Figures of each change; the first one must be the untouched picture.

    Raises:
        DataError: It is not.
    """
    if changes[0] is not UNTOUCHED:
        raise DataError("the first change must be none: the others are compared with it")
    fake = np.array([record.label == "ai_generated" for record in judged.records])
    source = np.array([record.source for record in judged.records])
    probability = card.calibration.probability(judged.logits)
    decided = probability >= card.policy()[1].threshold
    strict = card.policies.get(STRICT)
    rows = []
    for change, logits, labels, chances in zip(changes, judged.logits, decided, probability, strict=True):
        accused = None if strict is None else chances >= strict.threshold
        figures = intervals(
            _metrics(fake, (judged.logits[0], logits), (decided[0], labels), accused),
            source,
            fake,
            replicates=replicates,
        )
        rows.append(ChangeRow(group=change.group, name=change.name, **figures))
    return rows


def _metrics(
    fake: BoolArray,
    logits: tuple[FloatArray, FloatArray],
    labels: tuple[BoolArray, BoolArray],
    accused: BoolArray | None,
) -> Callable[[FloatArray], dict[str, FloatArray]]:
    flipped = labels[0] != labels[1]

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        verdict = decision_metrics(fake, labels[1], weights)
        before, after = (ranking_metrics(fake, each, weights)["auroc"] for each in logits)
        # A flip of a real photo counts as a wrong answer of a detector that says "flipped".
        flips = decision_metrics(fake, flipped, weights)
        nothing = np.full(len(weights), np.nan)
        return {
            "specificity": verdict["specificity"],
            "recall": verdict["recall"],
            "auroc": after,
            "auroc_change": after - before,
            "flipped_real": 1 - flips["specificity"],
            "flipped_fake": flips["recall"],
            "strict_specificity": (
                nothing if accused is None else decision_metrics(fake, accused, weights)["specificity"]
            ),
        }

    return figures


def write(folder: Path, found: Robustness) -> None:
    """Write `robustness.json`, its plot and its page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "robustness.json").write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draw(found, folder / "robustness.png")
    (folder / "robustness.md").write_text(render(found), encoding="utf-8")


def summary(found: Robustness) -> Iterator[str]:
    """A line for each change that moved a figure most."""
    for row in sorted(found.rows, key=lambda each: each.auroc_change.value or 0.0)[:5]:
        yield f"{row.name}: AUROC {row.auroc.value or 0:.3f}, specificity {row.specificity.value or 0:.3f}"


def main(argv: Sequence[str]) -> int:
    """Measure and write."""
    args = parser("src.evaluation.robustness", __doc__)
    add_sample_options(args, PHOTOS)
    args.add_argument("--replicates", type=int, default=REPLICATES)
    args.add_argument("--out", type=Path, default=Path("reports/detector"))
    options = args.parse_args(argv)
    with open_sittings(options) as (sittings, splits):
        judged = judge(sittings, options.raw, CHANGES)
        card = sittings[0].detector.card
        found = Robustness(
            sample=describe(options, sittings, splits, judged.records),
            policy=card.default_policy,
            rows=measure(judged, CHANGES, card, replicates=options.replicates),
        )
    write(options.out, found)
    sys.stdout.write("".join(f"{line}\n" for line in summary(found)))
    return 0


if __name__ == "__main__":
    run_command(main)
