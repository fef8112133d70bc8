"""The report's plots as small PNG files: ROC, precision-recall, reliability, scores by label and style."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from src.evaluation.crossfit import Applied
from src.evaluation.metrics import curve, ranking_metrics, reliability

PLOTS = ("roc.png", "precision_recall.png", "reliability.png", "scores.png")
_SIZE = (4.8, 3.8)
_DPI = 90
_STYLES = {"seller": "#1b9e77", "studio": "#7570b3", "render": "#e6ab02"}
_FAKE = "#d95f02"
_MIN_IN_BIN = 10


def draw_plots(applied: Mapping[str, Applied], folder: Path) -> list[str]:
    """Draw all plots.

    Args:
        applied: Data set (`test`, `unseen`) -> its judged table with all tiers.
        folder: Where the files go.

    Returns:
        The files' names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = {
        f"{dataset}, {tier}": judged.of_tier(tier)
        for dataset, judged in applied.items()
        for tier in judged.table.tiers
    }
    _roc(lines, folder / "roc.png")
    _precision_recall(lines, folder / "precision_recall.png")
    _reliability(lines, folder / "reliability.png")
    _scores({name: each for name, each in lines.items() if name.endswith(", clean")}, folder / "scores.png")
    return list(PLOTS)


def _roc(lines: Mapping[str, Applied], path: Path) -> None:
    canvas, axes = plt.subplots(figsize=_SIZE)
    for name, judged in lines.items():
        tp, fp = curve(judged.table.fake, judged.table.logit)
        area = ranking_metrics(judged.table.fake, judged.table.logit)["auroc"][0]
        axes.plot(fp[0] / fp[0, -1], tp[0] / tp[0, -1], label=f"{name}: {area:.3f}", lw=1.3)
    axes.plot([0, 1], [0, 1], color="0.7", lw=0.8)
    _finish(
        canvas, axes, path, title="ROC (area)", x="share of real photos accused", y="share of fakes found"
    )


def _precision_recall(lines: Mapping[str, Applied], path: Path) -> None:
    canvas, axes = plt.subplots(figsize=_SIZE)
    for name, judged in lines.items():
        tp, fp = curve(judged.table.fake, judged.table.logit)
        area = ranking_metrics(judged.table.fake, judged.table.logit)["average_precision"][0]
        found, accused = tp[0, 1:], fp[0, 1:]
        axes.plot(found / found[-1], found / (found + accused), label=f"{name}: {area:.3f}", lw=1.3)
    _finish(canvas, axes, path, title="Precision and recall (average precision)", x="recall", y="precision")


def _reliability(lines: Mapping[str, Applied], path: Path) -> None:
    canvas, axes = plt.subplots(figsize=_SIZE)
    axes.plot([0, 1], [0, 1], color="0.7", lw=0.8)
    for name, judged in lines.items():
        mass, mean, share = (values[0] for values in reliability(judged.table.fake, judged.probability))
        filled = mass >= _MIN_IN_BIN
        axes.plot(mean[filled], share[filled], marker="o", ms=3, lw=1.1, label=name)
    _finish(canvas, axes, path, title="Reliability", x="probability given", y="share of fakes among them")


def _scores(lines: Mapping[str, Applied], path: Path) -> None:
    canvas, grid = plt.subplots(1, len(lines), figsize=(_SIZE[0] * len(lines), _SIZE[1]), squeeze=False)
    for axes, (name, judged) in zip(grid[0], lines.items(), strict=True):
        table, edges = judged.table, np.linspace(0, 1, 26)
        groups = {style: (~table.fake & (table.style == style), colour) for style, colour in _STYLES.items()}
        groups["AI-generated"] = (table.fake, _FAKE)
        for group, (mask, colour) in groups.items():
            if mask.any():
                share = np.full(np.count_nonzero(mask), 1 / np.count_nonzero(mask))
                axes.hist(
                    judged.probability[mask], edges, weights=share, histtype="step", color=colour, label=group
                )
        axes.set(title=name, xlabel="probability", ylabel="share of the group")
        axes.set_yscale("log")
        axes.legend(fontsize=7)
    _save(canvas, path)


def _finish(canvas: Canvas, axes: Axes, path: Path, *, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(fontsize=7, loc="best")
    _save(canvas, path)


def _save(canvas: Canvas, path: Path) -> None:
    canvas.tight_layout()
    canvas.savefig(path, dpi=_DPI, metadata={"Software": None})
    plt.close(canvas)
