"""Puts the variants of a study side by side: what each change of the training does on shops never seen.

A difference is judged on the same photos, with whole shops drawn again (a paired cluster bootstrap), because
two networks stumble over the same hard shops.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from src.evaluation.bootstrap import Figure, intervals
from src.evaluation.command import expand, parser, run_command
from src.evaluation.fit import load_table
from src.evaluation.metrics import BoolArray, FloatArray, ranking_metrics
from src.evaluation.origin import check_unseen, read_meta
from src.evaluation.scores import ScoreTable, read_scores
from src.utils.errors import DataError

STYLES = ("seller", "studio", "render")
TABLE = "fold?.csv"
COST = "folds/?/run.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cost(_Frozen):
    """What training took, as the run wrote it down.

    Attributes:
        steps: Optimiser steps of this run.
        seconds: Wall time of the loop.
        device: `cpu` or `cuda`.
        threads: Threads of the framework.
    """

    steps: int
    seconds: float
    device: str
    threads: int


class Variant(_Frozen):
    """One way of training and what came of it on unseen shops.

    Attributes:
        name: Of its configuration under `configs/study`.
        folds: The folds that were left out in turn.
        photos: Photos scored.
        auroc: Tier -> area under the ROC curve.
        by_style: Style -> area with the real photos of this style alone, tier `clean`.
        recall_at_low_false_positives: Recall with one real photo in twenty accused, tier `clean`.
        gain: Its area less the baseline's on the same photos, tier `clean`; None for the baseline.
        seconds_per_step: Of training.
        steps: Of each fold.
    """

    name: str
    folds: tuple[int, ...]
    photos: int
    auroc: dict[str, Figure]
    by_style: dict[str, Figure]
    recall_at_low_false_positives: Figure
    gain: Figure | None
    seconds_per_step: float
    steps: int


class Study(_Frozen):
    """All variants and the command that compared them."""

    command: str
    variants: tuple[Variant, ...]


def recall_at(fake: BoolArray, score: FloatArray, weights: FloatArray, false_positives: float) -> FloatArray:
    """Recall [B] at the lowest threshold that accuses at most this share of the real photos.

    Args:
        fake: bool [N].
        score: float [N].
        weights: float [B, N].
        false_positives: Share of the real photos' weight.
    """
    order = np.argsort(-score, kind="stable")
    weights = weights[:, order]
    accused = np.cumsum(weights * ~fake[order], axis=1)
    found = np.cumsum(weights * fake[order], axis=1)
    allowed = accused <= false_positives * accused[:, -1:]
    best: FloatArray = np.where(allowed, found, 0.0).max(axis=1) / found[:, -1]
    return best


def auroc(table: ScoreTable) -> Figure:
    """Area under the ROC curve with its interval over shops."""
    return intervals(
        lambda weights: {"auroc": ranking_metrics(table.fake, table.logit, weights)["auroc"]},
        table.source,
        table.fake,
    )["auroc"]


def paired_gain(table: ScoreTable, baseline: ScoreTable) -> Figure:
    """Area of one network less that of another on the photos that both scored, in one tier.

    Raises:
        DataError: They have no photo in common.
    """
    # Both are in the order of `sort_rows`, so what stays of one stands beside the same of the other.
    other = baseline.where(np.isin(baseline.photo_id, table.photo_id))
    table = table.where(np.isin(table.photo_id, baseline.photo_id))
    if not len(table):
        raise DataError("the variants have no photo in common")

    def gain(weights: FloatArray) -> dict[str, FloatArray]:
        areas = [ranking_metrics(each.fake, each.logit, weights)["auroc"] for each in (table, other)]
        return {"gain": areas[0] - areas[1]}

    return intervals(gain, table.source, table.fake)["gain"]


def judge(folder: Path, baseline: ScoreTable | None) -> tuple[Variant, ScoreTable]:
    """Read a variant's score tables and costs, and compare it.

    Args:
        folder: Holds `fold?.csv` and `folds/?/run.json`.
        baseline: The clean tier of the variant to compare with.

    Raises:
        DataError: Files are missing, or a table is not out of fold.
    """
    paths = expand([str(folder / TABLE)])
    check_unseen([read_meta(path) for path in paths], [read_scores(path) for path in paths])
    table = load_table(paths)
    costs = [_cost(path) for path in expand([str(folder / COST)])]
    clean = table.of_tier("clean")
    styles = [style for style in STYLES if np.any((clean.style == style) & ~clean.fake)]
    variant = Variant(
        name=folder.name,
        folds=tuple(np.unique(table.fold).tolist()),
        photos=len(clean),
        auroc={tier: auroc(table.of_tier(tier)) for tier in table.tiers},
        by_style={style: auroc(clean.where(clean.fake | (clean.style == style))) for style in styles},
        recall_at_low_false_positives=intervals(
            lambda weights: {"recall": recall_at(clean.fake, clean.logit, weights, 0.05)},
            clean.source,
            clean.fake,
        )["recall"],
        gain=None if baseline is None else paired_gain(clean, baseline),
        seconds_per_step=round(sum(c.seconds for c in costs) / sum(c.steps for c in costs), 2),
        steps=max(cost.steps for cost in costs),
    )
    return variant, clean


def _cost(path: Path) -> Cost:
    try:
        return Cost.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        raise DataError(f"{path.name} does not say what the training cost: {error}") from error


def as_markdown(variants: Sequence[Variant], command: str) -> str:
    """The comparison as a page."""
    lines = [
        "# Study: variants of the training on shops never seen",
        "",
        f"Written by `{command}`. The first variant is the baseline. Areas under the ROC curve with 95 %",
        "intervals over whole shops; the gain is paired, on the same photos, tier clean.",
        "",
        "| variant | folds | photos | steps | s/step | clean | web | hard | studio | gain | recall at 5 % |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in variants:
        cells = [
            each.name,
            " ".join(map(str, each.folds)),
            str(each.photos),
            str(each.steps),
            f"{each.seconds_per_step:.2f}",
            *(_cell(each.auroc.get(tier)) for tier in ("clean", "web", "hard")),
            _cell(each.by_style.get("studio")),
            _cell(each.gain, signed=True),
            _cell(each.recall_at_low_false_positives),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", "![areas by variant](study.png)", ""])


def _cell(figure: Figure | None, *, signed: bool = False) -> str:
    if figure is None or figure.value is None:
        return "–"
    form = "+.3f" if signed else ".3f"
    text = format(figure.value, form)
    if figure.low is None or figure.high is None:
        return text
    return f"{text} [{figure.low:{form}}, {figure.high:{form}}]"


def draw(variants: Sequence[Variant], path: Path) -> None:
    """Plot the clean area of each variant with its interval."""
    canvas, axes = plt.subplots(figsize=(6.0, 0.5 * len(variants) + 1.2))
    for row, each in enumerate(reversed(variants)):
        figure = each.auroc["clean"]
        if figure.value is not None:
            low, high = figure.low or figure.value, figure.high or figure.value
            axes.errorbar(
                figure.value,
                row,
                xerr=[[figure.value - low], [high - figure.value]],
                fmt="o",
                color="#7570b3",
            )
    axes.set_yticks(range(len(variants)), [each.name for each in reversed(variants)])
    axes.set_xlabel("AUROC on unseen shops, tier clean")
    axes.grid(axis="x", alpha=0.3)
    canvas.tight_layout()
    canvas.savefig(path, dpi=90)
    plt.close(canvas)


def write(variants: Sequence[Variant], out: Path, command: str) -> None:
    """Write `study.json`, `study.md` and `study.png`."""
    out.mkdir(parents=True, exist_ok=True)
    study = Study(command=command, variants=tuple(variants))
    (out / "study.json").write_text(study.model_dump_json(indent=1) + "\n")
    (out / "study.md").write_text(as_markdown(variants, command))
    draw(variants, out / "study.png")


def main(argv: Sequence[str]) -> int:
    """Compare the variants whose folders are given; the first one is the baseline."""
    args = parser("src.evaluation.study", __doc__)
    args.add_argument("variants", nargs="+", type=Path, help="folders of score tables, the baseline first")
    args.add_argument("--out", type=Path, default=Path("reports/study"))
    options = args.parse_args(argv)
    variants: list[Variant] = []
    baseline: ScoreTable | None = None
    for folder in options.variants:
        variant, clean = judge(folder, baseline)
        baseline = clean if baseline is None else baseline
        variants.append(variant)
    names = " ".join(f"outputs/study/{each.name}" for each in variants)
    write(variants, options.out, f"python -m src.evaluation.study {names}")
    sys.stdout.write(as_markdown(variants, "make study"))
    return 0


if __name__ == "__main__":
    run_command(main)
