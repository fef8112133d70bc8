"""The robustness measurement as a page and as a plot."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

from src.evaluation.bootstrap import Figure
from src.evaluation.robustness_figures import Robustness
from src.evaluation.tables import interval, number, table
from src.evaluation.wording import made

COMMAND = "python -m src.evaluation.robustness"
_DPI = 90
_LINES = {"specificity": "#1b9e77", "recall": "#d95f02", "auroc": "#7570b3"}


def render(found: Robustness) -> str:
    """The page; the same figures give the same text."""
    header = (
        "change",
        "specificity",
        "recall",
        "AUROC",
        "change of AUROC",
        "real photos flipped",
        "fakes flipped",
        "specificity, `low_false_positive`",
    )
    rows = [
        (
            row.name,
            interval(row.specificity),
            interval(row.recall),
            interval(row.auroc),
            signed(row.auroc_change),
            number(row.flipped_real.value),
            number(row.flipped_fake.value),
            number(row.strict_specificity.value),
        )
        for row in found.rows
    ]
    worst = sorted(found.rows, key=lambda row: row.auroc_change.value or 0.0)[:3]
    words = ", ".join(f"{row.name} ({signed(row.auroc_change)})" for row in worst)
    accused = min(found.rows, key=lambda row: row.specificity.value or 0.0)
    return (
        f"# Robustness\n\n{found.sample.words} Policy `{found.policy}`. Each picture is first brought to the "
        "size that the network's views are cut from, then changed; *flipped*: its label is another than "
        "untouched, to either side. In brackets: 95 % intervals over shops, those of the change of AUROC are "
        "of the same photos.\n\n"
        f"Ranking suffers most from {words}; real photos are accused most often after {accused.name} "
        f"(specificity {number(accused.specificity.value)}).\n\n{table(header, rows)}\n\n{made(COMMAND)} "
        "Print and photo, browser frame and watermark are approximations drawn by program.\n\n"
        "![robustness](robustness.png)\n"
    )


def signed(figure: Figure, digits: int = 3) -> str:
    """A difference with its sign and its interval."""
    if figure.value is None:
        return "–"
    inner = (
        ""
        if figure.low is None or figure.high is None
        else f" ({figure.low:+.{digits}f} to {figure.high:+.{digits}f})"
    )
    return f"{figure.value:+.{digits}f}{inner}"


def draw(found: Robustness, path: Path) -> None:
    """Specificity, recall and AUROC of each change as dots with intervals, one line a change."""
    canvas, axes = plt.subplots(figsize=(6.4, 0.24 * len(found.rows) + 1.2))
    for index, row in enumerate(found.rows):
        for offset, (name, colour) in zip((-0.22, 0.0, 0.22), _LINES.items(), strict=True):
            figure: Figure = getattr(row, name)
            if figure.value is None:
                continue
            label = {"auroc": "AUROC"}.get(name, name) if index == 0 else None
            axes.plot(figure.value, index + offset, "o", ms=3.5, color=colour, label=label)
            if figure.low is not None and figure.high is not None:
                axes.plot((figure.low, figure.high), (index + offset,) * 2, lw=0.9, color=colour, alpha=0.6)
    axes.set_yticks(range(len(found.rows)), [row.name for row in found.rows], fontsize=7)
    axes.set_xlim(0, 1.01)
    axes.invert_yaxis()
    axes.grid(axis="x", lw=0.4, color="0.85")
    axes.legend(fontsize=7, loc="lower left")
    canvas.tight_layout()
    canvas.savefig(path, dpi=_DPI, metadata={"Software": None})
    plt.close(canvas)
