"""Writes the README's verdict from the shipped model and its table of performance from `report.json`.

`--check` changes nothing and says whether they are stale.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from src.evaluation.command import parser, run_command
from src.evaluation.figures import Dataset, Report, read_report
from src.evaluation.tables import interval, table
from src.evaluation.verdict import make_verdict, parse_verdict, render_verdict, same_verdict
from src.evaluation.wording import forms_words
from src.inference.detector import Detector
from src.utils.errors import DataError

PERFORMANCE = "performance"
VERDICT = "verdict"

_FIRST = {"accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1-score"}
_NEXT = {"auroc": "AUROC", "specificity": "Specificity (real photos called real)"}


def render_block(report: Report) -> str:
    """The table of performance and what must be known to read it."""
    datasets = report.datasets
    blocks = {dataset: report.block(dataset) for dataset in datasets}

    def row(name: str, key: str, tier: str = "clean") -> tuple[str, ...]:
        return (name, *(interval(report.block(each, tier).figures[key]) for each in datasets))

    rows = [row(name, key) for key, name in _FIRST.items()]
    if report.latency:
        timed = f"{report.latency.median_ms:.0f} ms (95th percentile {report.latency.p95_ms:.0f} ms)"
        same = ["same"] * (len(datasets) - 1)
        rows.append(("Inference latency, bytes to verdict, one thread", timed, *same))
    rows += [row(name, key) for key, name in _NEXT.items()]
    rows += _styles(report, "balanced")
    rows.append(_under(report, "low_false_positive", "specificity", "Specificity under `low_false_positive`"))
    rows += _styles(report, "low_false_positive")
    rows.append(_under(report, "low_false_positive", "recall", "Recall under `low_false_positive`"))
    rows.append(row("Calibration error (ECE)", "ece"))
    for key, name in (("balanced_accuracy", "Balanced accuracy"), ("auroc", "AUROC")):
        for tier in ("clean", "web", "hard"):
            if key == "balanced_accuracy" or tier != "clean":
                rows.append(row(f"{name}, {tier}", key, tier))
    titles: dict[Dataset, str] = {
        "test": f"known shops: new photos (`test`, {blocks['test'].photos})",
        "unseen": f"shops never seen (`unseen`, {blocks['unseen'].photos}; {report.lengths.words} steps)",
    }
    if "heldout" in blocks:
        titles["heldout"] = f"generators never seen (`heldout`, {blocks['heldout'].fakes} fakes)"
    scored = "; ".join(f"`{each}`: {forms_words(report.forms[each])}" for each in datasets)
    return (
        f"{table(('', *(titles[each] for each in datasets)), rows)}\n\nModel `{report.model_name}` "
        f"{report.model_version}, policy `balanced` and tier `clean` unless said otherwise. `clean`: the "
        f"file as we have it ({scored}); `web`: long side ≤ 768, JPEG q60; `hard`: ≤ 384, q40. In brackets: "
        f"95 % intervals over shops. `unseen`: five folds over {blocks['unseen'].sources} shops and "
        "data sets, views and thresholds fitted on the other folds. The released model's thresholds "
        "come from "
        f"{report.lengths.words} steps. All figures, slices and the shortcut check: "
        "[reports/detector](reports/detector/report.md)."
    )


def _under(report: Report, policy: str, key: str, name: str) -> tuple[str, ...]:
    figures = (report.block(each, policy=policy).figures[key] for each in report.datasets)
    return (name, *(interval(figure) for figure in figures))


def _styles(report: Report, policy: str) -> list[tuple[str, ...]]:
    found = {
        dataset: {row.name: row.right[policy] for row in report.slice_rows(dataset, "clean", "style")}
        for dataset in report.datasets
    }
    names = {
        "seller": "sellers' own photos",
        "studio": "studio and stock photos",
        "render": "catalogue renders",
    }
    return [
        (f"– {name}", *(interval(each[style]) if style in each else "–" for each in found.values()))
        for style, name in names.items()
    ]


def block_of(readme: str, name: str) -> tuple[str, str, str]:
    """The text up to and with the start mark of a block, the block, and the rest from its end mark on.

    Raises:
        DataError: The README lacks the marks, or has them more than once or in the wrong order.
    """
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    if readme.count(start) != 1 or readme.count(end) != 1 or readme.index(start) > readme.index(end):
        raise DataError(f"the README needs one {start} before one {end}")
    before, _, rest = readme.partition(start)
    body, _, after = rest.partition(end)
    return before + start, body, end + after


def with_block(readme: str, name: str, block: str) -> str:
    """The README's text with one block replaced.

    Raises:
        DataError: As for `block_of`.
    """
    before, _, after = block_of(readme, name)
    return f"{before}\n{block}\n{after}"


def expected_readme(readme: Path, report: Path, model: Path) -> str:
    """What the README should be, given the report and the shipped model.

    A verdict that differs in nothing but times and ids stays as it is.

    Raises:
        DataError: There is no report, or the README lacks its marks.
        ModelError: There is no shipped model.
    """
    text = readme.read_text(encoding="utf-8")
    fresh = make_verdict(Detector.from_file(model, threads=1))
    if not same_verdict(parse_verdict(block_of(text, VERDICT)[1]), fresh):
        text = with_block(text, VERDICT, render_verdict(fresh))
    return with_block(text, PERFORMANCE, render_block(read_report(report)))


def main(argv: Sequence[str]) -> int:
    """Rewrite the README; with --check, exit code 1 when it is stale."""
    args = parser("src.evaluation.readme", __doc__)
    args.add_argument("--check", action="store_true", help="change nothing; exit code 1 when stale")
    args.add_argument("--readme", type=Path, default=Path("README.md"))
    args.add_argument("--report", type=Path, default=Path("reports/detector/report.json"))
    args.add_argument("--model", type=Path, default=Path("models/detector.onnx"))
    options = args.parse_args(argv)
    expected = expected_readme(options.readme, options.report, options.model)
    if expected == options.readme.read_text(encoding="utf-8"):
        return 0
    if options.check:
        sys.stderr.write(f"{options.readme.name} is stale: run `make readme`\n")
        return 1
    options.readme.write_text(expected, encoding="utf-8")
    return 0


if __name__ == "__main__":
    run_command(main)
