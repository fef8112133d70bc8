"""Renders a report as Markdown; every table names the command that made it."""

from __future__ import annotations

from collections.abc import Sequence

from src.evaluation.checks_page import shortcut_section, views_section
from src.evaluation.figures import Block, Dataset, Report
from src.evaluation.plots import PLOTS
from src.evaluation.slices import MIN_PHOTOS, PROXIES, SliceRow
from src.evaluation.tables import interval, number, table
from src.evaluation.wording import REPORT, forms_words, made, name_of, short_name

ORDER: tuple[Dataset, ...] = ("unseen", "heldout", "test")
HARDEST = 15

_MODEL = "outputs/continued/model.onnx"
_FOLD = "outputs/continued/folds/0/model.onnx"
_SCORES = "outputs/scores"
_SCORE = "python -m src.evaluation.score"
COMMANDS = (
    f"{_SCORE} --model {_FOLD} --select fold:0 --out {_SCORES}/fold0.csv",
    f"{_SCORE} --model {_MODEL} --select test --out {_SCORES}/test.csv",
    f"{_SCORE} --model {_MODEL} --select heldout --if-any --out {_SCORES}/heldout.csv",
    f"python -m src.evaluation.fit --unseen {_SCORES}/fold?.csv --model {_MODEL}",
    (
        f"python -m src.evaluation.shortcut --model {_MODEL} --scores {_SCORES}/test.csv "
        f"--scores {_SCORES}/fold?.csv --out {_SCORES}/shortcut.json"
    ),
    f"python -m src.evaluation.latency --model {_MODEL} --out {_SCORES}/latency.json",
    (
        f"{REPORT} --model {_MODEL} --test {_SCORES}/test.csv --unseen {_SCORES}/fold?.csv "
        f"--heldout {_SCORES}/heldout.csv --shortcut {_SCORES}/shortcut.json --latency {_SCORES}/latency.json"
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
        *(_headline(report, dataset) for dataset in report.datasets),
        _policies(report),
        *(
            _slice_section(report, title, axis)
            for title, axis in (
                ("Real photos by style", "style"),
                ("Real photos by the size of the original", "resolution"),
                ("Real photos by the compression of the original", "compression"),
                ("Real photos by product", "product"),
                ("AI-generated pictures by generator family", "family"),
                ("Generators", "generator"),
                ("Categories", "category"),
            )
        ),
        _hardest(report),
        _calibration(report),
        views_section(report),
        shortcut_section(report),
        _latency(report),
        _plots(),
        _commands(),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(report: Report) -> str:
    scored = "; ".join(f"`{dataset}`: {forms_words(report.forms[dataset])}" for dataset in report.datasets)
    samples = "".join(
        f" Of `{name}` a sample was scored, at most {limit} photos a table, spread over shops."
        for name, limit in report.samples.items()
    )
    held_out = (
        " `heldout`: pictures of generators that no network here was trained on, beside the real photos of "
        "`test`."
        if "heldout" in report.datasets
        else ""
    )
    return (
        f"# Report: {report.model_name} {report.model_version}\n\n`test`: new photos of shops that training "
        "knows. `unseen`: each photo judged by a network that never saw its shop, with views, calibration "
        f"and thresholds fitted on the other folds; {report.lengths.words} steps.{held_out} Thresholds in "
        "the released card come from the fold networks too.\n\nTiers: `clean` (the file as we have it), "
        f"`web` (long side ≤ 768, JPEG q60), `hard` (long side ≤ 384, JPEG q40). "
        f"{scored}.{samples}\n\nIntervals: "
        "95 %, bootstrapped over sources. The positive class is AI-generated. Network "
        f"`{report.network}`, data `{report.data_hash[:16]}`, splits `{report.splits_hash}`."
    )


def _bars(report: Report) -> str:
    rows = [(bar.name, number(bar.value), bar.bar, "met" if bar.met else "**missed**") for bar in report.bars]
    return f"## Bars\n\n{table(('figure', 'value', 'bar', ''), rows)}\n\n{made()}"


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
    return f"## {name_of(report, dataset)}: {size}, policy `balanced`\n\n{table(header, rows)}\n\n{made()}"


def _policies(report: Report) -> str:
    rows = [
        (
            f"`{name}`",
            f"{policy.threshold:.3f} [{policy.review_low:.3f}, {policy.review_high:.3f})",
            short_name(report, dataset),
            block.tier,
            *(interval(block.figures[key]) for key in ("specificity", "recall", "precision")),
            number(block.review_share),
            number(block.error_in_review),
            number(block.error_outside),
        )
        for name, policy in report.policies.items()
        for dataset in report.datasets
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
    unseen = name_of(report, "unseen")
    words += f"\n\nThe thresholds are the released card's; {unseen} is judged by cross-fitted ones."
    return f"## Policies\n\n{words}\n\n{table(header, rows)}\n\n{made()}"


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
    for dataset in (each for each in ORDER if each in report.datasets):
        for tier in ("clean", "web", "hard"):
            rows = report.slice_rows(dataset, tier, axis)
            if rows and (dataset != "test" or axis in ("style", *PROXIES)):
                parts.append(
                    f"### {title}: {name_of(report, dataset)}, {tier}\n\n{_slice_rows(report, rows)}"
                )
    note = (
        f"Slices of {MIN_PHOTOS} photos or more. *Right*: specificity of real photos, recall of AI-generated "
        "ones, balanced accuracy of a slice of both. AUROC: against all photos of the other label."
    )
    if axis in PROXIES:
        note += (
            " A stand-in for who sells (cheap phones, old shops, small ones): people, countries and "
            "cameras are not known of these photos."
        )
    return "\n\n".join([f"## {title}", note, *parts, made()]) if parts else ""


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
    note = (
        f"{name_of(report, 'unseen')}, clean; the {HARDEST} with the lowest share right of those with "
        f"{MIN_PHOTOS} photos or more."
    )
    return "\n\n".join(["## Hardest shops", note, *parts, made()])


def _calibration(report: Report) -> str:
    rows = [("released", number(report.calibration.temperature), number(report.calibration.bias))]
    rows += [
        (f"without fold {fold}", number(each.temperature), number(each.bias))
        for fold, each in sorted(report.fold_calibrations.items())
    ]
    note = (
        "Probability = sigmoid(logit / temperature + bias), by maximum likelihood on the scores of "
        f"{name_of(report, 'unseen')} in the three tiers, labels weighted evenly, large shops "
        "damped (Platt 1999; Guo et al. 2017). On known shops the network is surer than on "
        "strangers, so there the probabilities are cautious. Chance can only raise the ECE, so its "
        "intervals lean upwards."
    )
    header = ("fitted on", "temperature", "bias")
    return f"## Calibration\n\n{note}\n\n{table(header, rows)}\n\n{made('python -m src.evaluation.fit')}"


def _latency(report: Report) -> str:
    each = report.latency
    if each is None:
        return ""
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in each.stages_ms.items())
    return (
        f"## Latency\n\nFrom bytes to verdict, {each.threads} thread, {each.photos} photos one at a time: "
        f"median {each.median_ms:.1f} ms, 95th percentile {each.p95_ms:.1f} ms (medians: {stages}). "
        f"{each.cpu}, {each.cores} cores.\n\n{made('python -m src.evaluation.latency')}"
    )


def _plots() -> str:
    return "## Plots\n\n" + "\n\n".join(f"![{name.removesuffix('.png')}]({name})" for name in PLOTS)


def _commands() -> str:
    lines = "\n".join(COMMANDS)
    return (
        f"## How it was made\n\n`make evaluate` runs, the first line for each fold:\n\n```\n{lines}\n```\n\n"
        f"Scores and measurements are kept beside this page; `{REPORT}` without arguments makes it anew from "
        "them and the released model, without a photo."
    )
