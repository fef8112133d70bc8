"""Writes the README's table of model performance from `report.json`, or says that it is stale (`--check`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from src.evaluation.command import parser, run_command
from src.evaluation.figures import Report, read_report
from src.evaluation.markdown import DATASETS
from src.evaluation.tables import interval, table
from src.utils.errors import DataError

START = "<!-- performance:start -->"
END = "<!-- performance:end -->"

_FIRST = {"accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1-score"}
_NEXT = {"auroc": "AUROC", "specificity": "Specificity (real photos called real)"}


def render_block(report: Report) -> str:
    """The text between the two marks."""
    blocks = {dataset: report.block(dataset) for dataset in DATASETS}
    rows = [
        (name, *(interval(blocks[each].figures[key]) for each in DATASETS)) for key, name in _FIRST.items()
    ]
    if report.latency:
        timed = f"{report.latency.median_ms:.0f} ms (95th percentile {report.latency.p95_ms:.0f} ms)"
        rows.append(("Inference latency, bytes to verdict, one thread", timed, "same"))
    rows += [
        (name, *(interval(blocks[each].figures[key]) for each in DATASETS)) for key, name in _NEXT.items()
    ]
    rows += _styles(report)
    rows.append(("Calibration error (ECE)", *(interval(blocks[each].figures["ece"]) for each in DATASETS)))
    for metric, name in (("balanced_accuracy", "Balanced accuracy"), ("auroc", "AUROC")):
        for tier in ("clean", "web", "hard"):
            if metric == "balanced_accuracy" or tier != "clean":
                figures = (report.block(each, tier).figures[metric] for each in DATASETS)
                rows.append((f"{name}, {tier}", *(interval(figure) for figure in figures)))
    test, unseen = blocks["test"], blocks["unseen"]
    header = (
        "",
        f"known shops: new photos (`test`, {test.photos})",
        f"shops never seen (`unseen`, {unseen.photos})",
    )
    return (
        f"{table(header, rows)}\n\nModel `{report.model_name}` {report.model_version}, policy `balanced`, "
        "photos as uploaded (`clean`) unless said otherwise; `web`: long side ≤ 768, JPEG q60; `hard`: ≤ "
        f"384, q40. In brackets: 95 % intervals over shops. `unseen`: five folds over {unseen.sources} shops "
        "and data sets, thresholds fitted on the other folds. All figures, slices and the shortcut check: "
        "[reports/detector](reports/detector/report.md)."
    )


def _styles(report: Report) -> list[tuple[str, str, str]]:
    found = {
        dataset: {row.name: row.right["balanced"] for row in report.slice_rows(dataset, "clean", "style")}
        for dataset in DATASETS
    }
    names = {
        "seller": "sellers' own photos",
        "studio": "studio and stock photos",
        "render": "catalogue renders",
    }
    cells = {
        style: [interval(found[each][style]) if style in found[each] else "–" for each in DATASETS]
        for style in names
    }
    return [(f"– {name}", cells[style][0], cells[style][1]) for style, name in names.items()]


def with_block(readme: str, block: str) -> str:
    """The README's text with the block between its marks replaced.

    Raises:
        DataError: The README lacks the marks, or has them more than once or in the wrong order.
    """
    if readme.count(START) != 1 or readme.count(END) != 1 or readme.index(START) > readme.index(END):
        raise DataError(f"the README needs one {START} before one {END}")
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    body = f"{block}\n" if block else ""
    return f"{before}{START}\n{body}{END}{after}"


def expected_readme(readme: Path, report: Path) -> str:
    """What the README should be, given the report that is there (or is not yet)."""
    block = render_block(read_report(report)) if report.is_file() else ""
    return with_block(readme.read_text(encoding="utf-8"), block)


def main(argv: Sequence[str]) -> int:
    """Rewrite the README; with --check, exit code 1 when it is stale."""
    args = parser("src.evaluation.readme", __doc__)
    args.add_argument("--check", action="store_true", help="change nothing; exit code 1 when stale")
    args.add_argument("--readme", type=Path, default=Path("README.md"))
    args.add_argument("--report", type=Path, default=Path("reports/detector/report.json"))
    options = args.parse_args(argv)
    expected = expected_readme(options.readme, options.report)
    if expected == options.readme.read_text(encoding="utf-8"):
        return 0
    if options.check:
        sys.stderr.write(f"{options.readme.name} is stale: run `make readme`\n")
        return 1
    options.readme.write_text(expected, encoding="utf-8")
    return 0


if __name__ == "__main__":
    run_command(main)
