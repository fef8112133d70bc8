"""`docs/COMPARISON.md` from the figures of `src.evaluation.comparison`; `--check`: is it stale?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from src.evaluation.bootstrap import Figure
from src.evaluation.command import parser, run_command
from src.evaluation.robustness_sample import Sample
from src.evaluation.tables import interval, table
from src.evaluation.wording import made
from src.utils.errors import DataError


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cost(_Frozen):
    """What a detector takes.

    Attributes:
        cold_start_s: Median seconds from starting the process to its first verdict.
        median_ms: Of a photo, from bytes to verdict.
        p95_ms: The same; nineteen of twenty photos are faster.
        peak_mb: Highest resident memory, 10^6 bytes.
    """

    cold_start_s: float
    median_ms: float
    p95_ms: float
    peak_mb: float


class DetectorRow(_Frozen):
    """One detector on the photos that both judged.

    Attributes:
        undecided: Share left to a person: needs review, or inconclusive. An undecided photo counts by its
            label where it has one, and as not accused where it has none.
        refused: Photos without a verdict, of all that were asked.
        weights_mb: Size of its model files, 10^6 bytes.
    """

    name: str
    version: str
    weights_mb: float
    refused: int
    undecided: float
    accuracy: Figure
    balanced_accuracy: Figure
    specificity: Figure
    recall: Figure
    auroc: Figure
    cost: Cost


class Comparison(_Frozen):
    """The whole measurement; what `comparison.json` holds. This project's detector comes first."""

    sample: Sample
    timed: int
    starts: int
    cpu: str
    cores: int
    detectors: list[DetectorRow]


_LINES: dict[str, Callable[[DetectorRow], str]] = {
    "AUROC": lambda row: interval(row.auroc),
    "Balanced accuracy": lambda row: interval(row.balanced_accuracy),
    "Accuracy": lambda row: interval(row.accuracy),
    "Specificity (real photos not accused)": lambda row: interval(row.specificity),
    "Recall (AI-generated pictures accused)": lambda row: interval(row.recall),
    "Left to a person (review, inconclusive)": lambda row: f"{row.undecided:.1%}",
    "Photos refused": lambda row: str(row.refused),
    "Median time of a photo, bytes to verdict": lambda row: f"{row.cost.median_ms:.0f} ms",
    "95th percentile": lambda row: f"{row.cost.p95_ms:.0f} ms",
    "Cold start: process to first verdict": lambda row: f"{row.cost.cold_start_s:.1f} s",
    "Peak memory": lambda row: f"{row.cost.peak_mb:.0f} MB",
    "Weights on disk": lambda row: f"{row.weights_mb:.0f} MB",
}


def render(found: Comparison) -> str:
    """The document; the same figures give the same text."""
    ours, peer = found.detectors
    rows = [(name, line(ours), line(peer)) for name, line in _LINES.items()]
    header = ("", f"`{ours.name}` {ours.version}", f"`{peer.name}` {peer.version}")
    return (
        f"# Comparison with an installable detector\n\n`{peer.name}` is what a search of the Python Package "
        "Index offers for the same task: CLIP ViT-B/16 in int8 with a linear probe, on a CPU, weights in the "
        "package. It was made for natural images of any kind, not for product photos. Both judged the same "
        "files in one run, each in a process of its own with its own defaults and thresholds; it is "
        f"installed for this comparison alone.\n\n{found.sample.words} Of `{peer.name}` it is not known "
        "which of the pictures it was fitted on.\n\n"
        f"{table(header, rows)}\n\nIn brackets: 95 % intervals over shops. Time and memory: {found.timed} of "
        f"these photos one at a time by the released model, cold start: median of {found.starts}, by turns; "
        f"{found.cpu}, {found.cores} cores, all that each takes by default. `{peer.name}` reads a claim of "
        f"origin in a file (C2PA) into its verdict, `{ours.name}` reports such claims beside it; of an "
        "inconclusive verdict there is no label, so the photo counts as not accused.\n\n"
        f"{made('python -m src.evaluation.comparison')} This page: "
        "`python -m src.evaluation.comparison_page`; both: `make comparison`.\n"
    )


def read_comparison(path: Path) -> Comparison:
    """Read `comparison.json`.

    Raises:
        DataError: The file is missing or invalid.
    """
    try:
        return Comparison.model_validate_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError) as error:
        raise DataError(f"no valid {path.name}: run `make comparison`") from error


def main(argv: Sequence[str]) -> int:
    """Write the document; with --check, exit code 1 when it is stale."""
    args = parser("src.evaluation.comparison_page", __doc__)
    args.add_argument("--check", action="store_true", help="change nothing; exit code 1 when stale")
    args.add_argument("--figures", type=Path, default=Path("reports/detector/comparison.json"))
    args.add_argument("--out", type=Path, default=Path("docs/COMPARISON.md"))
    options = args.parse_args(argv)
    text = render(read_comparison(options.figures))
    if options.out.is_file() and options.out.read_text(encoding="utf-8") == text:
        return 0
    if options.check:
        sys.stderr.write(f"{options.out.name} is stale: run `make comparison`\n")
        return 1
    options.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    run_command(main)
