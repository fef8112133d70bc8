"""Renders a report as Markdown; every table names the command that made it."""

from __future__ import annotations

from collections.abc import Sequence

from src.evaluation.figures import Block, Dataset, Report
from src.evaluation.plots import PLOTS
from src.evaluation.slices import MIN_PHOTOS, SliceRow
from src.evaluation.tables import interval, number, table

DATASETS: tuple[Dataset, ...] = ("test", "unseen")
HARDEST = 15

REPORT = "python -m src.evaluation.report"
_FOLD = "outputs/release/folds/0/model.onnx"
_SHORTCUT = "outputs/scores/shortcut.json"
_LATENCY = "outputs/scores/latency.json"
_SCORE = "python -m src.evaluation.score"
COMMANDS = (
    f"{_SCORE} --select test --out outputs/scores/test.csv",
    f"{_SCORE} --select fold:0 --model {_FOLD} --out outputs/scores/fold0.csv",
    "python -m src.evaluation.fit --unseen outputs/scores/fold*.csv --model models/detector.onnx",
    f"python -m src.evaluation.shortcut --scores outputs/scores/test.csv --out {_SHORTCUT}",
    f"python -m src.evaluation.latency --out {_LATENCY}",
    (
        f"{REPORT} --test outputs/scores/test.csv --unseen outputs/scores/fold*.csv "
        f"--shortcut {_SHORTCUT} --latency {_LATENCY}"
    ),
)

_METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "recall": "recall",
    "specificity": "specificity",
    "f1": "F1-score",
    "auroc": "AUROC",
    "average_precision": "average precision",
    "tpr_at_1fpr": "recall at 1 % false positives",
    "ece": "ECE (15 equal-width bins)",
    "brier": "Brier score",
}


def render_report(report: Report) -> str:
    """The whole page; the same report gives the same text."""
    sections = [
        _head(report),
        _bars(report),
        *(_headline(report, dataset) for dataset in DATASETS),
        _policies(report),
        *(
            _slice_section(report, title, axis)
            for title, axis in (
                ("Real photos by style", "style"),
                ("AI-generated pictures by generator family", "family"),
                ("Generators", "generator"),
                ("Categories", "category"),
            )
        ),
        _hardest(report),
        _calibration(report),
        _ablation(report),
        _shortcut(report),
        _latency(report),
        _plots(),
        _commands(),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _made(command: str = REPORT) -> str:
    return f"Made by `{command}`."


def _head(report: Report) -> str:
    return (
        f"# Report: {report.model_name} {report.model_version}\n\n`test`: new photos of shops that training "
        "knows. `unseen`: each photo judged by a network that never saw its shop, with calibration and "
        "thresholds fitted on the other folds. Tiers: `clean` (as uploaded), `web` (long side ≤ 768, JPEG "
        "q60), `hard` (long side ≤ 384, JPEG q40). Intervals: 95 %, bootstrapped over sources. The positive "
        f"class is AI-generated. Network `{report.network}`, data `{report.data_hash[:16]}`."
    )


def _bars(report: Report) -> str:
    rows = [(bar.name, number(bar.value), bar.bar, "met" if bar.met else "**missed**") for bar in report.bars]
    return f"## Bars\n\n{table(('figure', 'value', 'bar', ''), rows)}\n\n{_made()}"


def _tier_blocks(report: Report, dataset: Dataset, policy: str = "balanced") -> list[Block]:
    return [
        block
        for block in report.blocks
        if (block.dataset, block.policy, block.weighting) == (dataset, policy, "photos")
    ]


def _headline(report: Report, dataset: Dataset) -> str:
    blocks = _tier_blocks(report, dataset)
    shops = [report.block(dataset, block.tier, weighting="shops") for block in blocks]
    rows = [
        (
            name,
            *(interval(block.figures[key]) for block in blocks),
            *(number(s.figures[key].value) for s in shops),
        )
        for key, name in _METRICS.items()
    ]
    header = ("metric", *(b.tier for b in blocks), *(f"{b.tier}, each shop once" for b in blocks))
    size = f"{blocks[0].photos} photos ({blocks[0].fakes} AI-generated) of {blocks[0].sources} sources"
    return f"## `{dataset}`: {size}, policy `balanced`\n\n{table(header, rows)}\n\n{_made()}"


def _policies(report: Report) -> str:
    rows = [
        (
            f"`{name}`",
            f"{policy.threshold:.3f} [{policy.review_low:.3f}, {policy.review_high:.3f})",
            dataset,
            block.tier,
            *(interval(block.figures[key]) for key in ("specificity", "recall", "precision")),
            number(block.review_share),
            number(block.error_in_review),
            number(block.error_outside),
        )
        for name, policy in report.policies.items()
        for dataset in DATASETS
        for block in _tier_blocks(report, dataset, name)
    ]
    header = (
        "policy",
        "threshold [review band)",
        "data",
        "tier",
        "specificity",
        "recall",
        "precision",
        "share in review",
        "errors inside",
        "errors outside",
    )
    words = "\n".join(f"- `{name}`: {policy.description}" for name, policy in report.policies.items())
    return f"## Policies\n\n{words}\n\n{table(header, rows)}\n\n{_made()}"


def _slice_rows(report: Report, rows: Sequence[SliceRow]) -> str:
    policies = list(report.policies)
    header = ("slice", "photos", "sources", *(f"right, `{policy}`" for policy in policies), "AUROC")
    cells = [
        (
            row.name,
            str(row.photos),
            str(row.sources),
            *(interval(row.right[policy]) for policy in policies),
            interval(row.auroc),
        )
        for row in rows
    ]
    return table(header, cells)


def _slice_section(report: Report, title: str, axis: str) -> str:
    parts = []
    for dataset in ("unseen", "test"):
        for tier in ("clean", "web", "hard"):
            rows = report.slice_rows(dataset, tier, axis)
            if rows and (dataset == "unseen" or axis == "style"):
                parts.append(f"### {title}: `{dataset}`, {tier}\n\n{_slice_rows(report, rows)}")
    note = (
        f"Slices of {MIN_PHOTOS} photos or more. *Right*: specificity of real photos, recall of AI-generated "
        "ones, balanced accuracy of a slice of both. AUROC: against all photos of the other label."
    )
    return "\n\n".join([f"## {title}", note, *parts, _made()]) if parts else ""


def _hardest(report: Report) -> str:
    rows = report.slice_rows("unseen", "clean", "source")
    parts = []
    for label, title in (("real", "real shops"), ("ai_generated", "shops of AI-generated pictures")):
        worst = sorted(
            (row for row in rows if row.label == label),
            key=lambda row: (row.right["balanced"].value or 0.0, row.name),
        )[:HARDEST]
        if worst:
            parts.append(f"### Hardest {title}\n\n{_slice_rows(report, worst)}")
    if not parts:
        return ""
    note = f"`unseen`, clean; the {HARDEST} with the lowest share right of those with {MIN_PHOTOS} photos "
    "or more."
    return "\n\n".join(["## Hardest shops", note, *parts, _made()])


def _calibration(report: Report) -> str:
    rows = [("released", number(report.calibration.temperature), number(report.calibration.bias))]
    rows += [
        (f"without fold {fold}", number(each.temperature), number(each.bias))
        for fold, each in sorted(report.fold_calibrations.items())
    ]
    note = (
        "Probability = sigmoid(logit / temperature + bias), by maximum likelihood on `unseen` scores of the "
        "three tiers, labels weighted evenly, large shops damped (Platt 1999; Guo et al. 2017). On known "
        "shops the network is surer than on strangers, so there the probabilities are cautious. Chance "
        "can only raise the ECE, so its intervals lean upwards."
    )
    header = ("fitted on", "temperature", "bias")
    return f"## Calibration\n\n{note}\n\n{table(header, rows)}\n\n{_made('python -m src.evaluation.fit')}"


def _ablation(report: Report) -> str:
    if not report.ablation:
        return ""
    styles = sorted({style for row in report.ablation for style in row.auroc_by_style})
    rows = [
        (
            row.dataset,
            row.tier,
            row.views,
            interval(row.auroc),
            interval(row.balanced_accuracy),
            *(number(row.auroc_by_style.get(style)) for style in styles),
        )
        for row in sorted(
            report.ablation, key=lambda row: (row.dataset, ("clean", "web", "hard").index(row.tier))
        )
    ]
    header = ("data", "tier", "views", "AUROC", "balanced accuracy", *(f"AUROC, {style}" for style in styles))
    return f"## What the views are worth\n\n{table(header, rows)}\n\n{_made()}"


def _shortcut(report: Report) -> str:
    parts = []
    for check in report.shortcut:
        again = check.counterfactual
        accuracies = ", ".join(
            f"{name} {again.balanced_accuracy[name]:.1f} %" for name in again.balanced_accuracy
        )
        parts.append(
            f"### Re-encoding `{check.name}` ({again.photos} photos): "
            f"{'passes' if check.passes else '**fails**'}\n\nBalanced accuracy: {accuracies}. Looking like "
            f"the other label's files costs {interval(again.cost, 1)} points, looking like other files of "
            f"the own label {interval(again.control, 1)}; the difference, {interval(again.net, 1)}, is what "
            "the file's origin is worth to the network."
        )
        rows = [
            (row.fact, row.label, str(row.photos), interval(row.spearman), number(row.within_source))
            for row in sorted(check.facts, key=lambda row: -abs(row.spearman.value or 0.0))
        ]
        parts.append(
            f"Spearman correlation of the logit with facts of the file, within each label "
            f"({check.facts_from}):\n\n"
            + table(("fact", "label", "photos", "Spearman", "within shops"), rows)
        )
    return (
        "\n\n".join(["## Shortcut check", *parts, _made("python -m src.evaluation.shortcut")])
        if parts
        else ""
    )


def _latency(report: Report) -> str:
    each = report.latency
    if each is None:
        return ""
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in each.stages_ms.items())
    return (
        f"## Latency\n\nFrom bytes to verdict, {each.threads} thread, {each.photos} photos one at a time: "
        f"median {each.median_ms:.1f} ms, 95th percentile {each.p95_ms:.1f} ms (medians: {stages}). "
        f"{each.cpu}, {each.cores} cores.\n\n{_made('python -m src.evaluation.latency')}"
    )


def _plots() -> str:
    return "## Plots\n\n" + "\n\n".join(f"![{name.removesuffix('.png')}]({name})" for name in PLOTS)


def _commands() -> str:
    lines = "\n".join(COMMANDS)
    return (
        f"## How it was made\n\n`make evaluate` runs, the second line for each fold:\n\n```\n{lines}\n```\n\n"
        f"Scores and measurements are kept beside this page; `{REPORT}` without arguments makes it anew from "
        "them, without a photo."
    )
