"""`python -m src.evaluation.summary`: a report's headline figures as the small file that DVC compares."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from src.evaluation.command import parser, run_command
from src.evaluation.figures import Report, read_report

METRICS = ("auroc", "balanced_accuracy", "specificity", "recall", "ece")
_DIGITS = 5

Tree = dict[str, dict[str, dict[str, float]]]


def summarise(report: Report) -> Tree:
    """Data set -> tier -> metric -> value under the `balanced` policy, each photo counted once."""
    tree: Tree = {}
    for block in report.blocks:
        if (block.policy, block.weighting) != ("balanced", "photos"):
            continue
        known = {name: block.figures[name].value for name in METRICS if name in block.figures}
        tree.setdefault(block.dataset, {})[block.tier] = {
            name: round(value, _DIGITS) for name, value in known.items() if value is not None
        }
    return tree


def main(argv: Sequence[str]) -> int:
    """Write the figures."""
    args = parser("src.evaluation.summary", __doc__)
    args.add_argument("--report", type=Path, default=Path("reports/detector/report.json"))
    args.add_argument("--out", type=Path, default=Path("reports/detector/metrics.json"))
    options = args.parse_args(argv)
    text = json.dumps(summarise(read_report(options.report)), indent=1)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    run_command(main)
