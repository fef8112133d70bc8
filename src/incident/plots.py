"""Draws a rehearsal's record: accuracy along the traffic, and each model on the photos that judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from src.evaluation.bootstrap import Figure
from src.incident.records import Run
from src.monitoring.drift.schema import Share

TRAFFIC, EXAMS, GROUPS = "traffic.png", "exams.png", "clusters.png"
_SERIES = {
    "accuracy": "accuracy",
    "recall_new": "recall, new family",
    "recall_known": "recall, known families",
    "specificity": "specificity",
}
_COLOURS = {
    "accuracy": "#222222",
    "recall_new": "#c0392b",
    "recall_known": "#e0a030",
    "specificity": "#2c6fbb",
}


def draw_run(run: Run, folder: Path) -> list[str]:
    """Write the plots; returns their names."""
    mpl.use("agg")
    folder.mkdir(parents=True, exist_ok=True)
    _save(_traffic(run), folder / TRAFFIC)
    _save(_exams(run), folder / EXAMS)
    names = [TRAFFIC, EXAMS]
    if run.cause is not None:
        _save(_clusters(run), folder / GROUPS)
        names.append(GROUPS)
    return names


def _traffic(run: Run) -> Any:  # noqa: ANN401 - matplotlib ships no types
    figure, axis = plt.subplots(figsize=(9, 4.2))
    names = [f"{each.stage}\n{each.model_version}" for each in run.stages]
    place = np.arange(len(names))
    for offset, (key, words) in enumerate(_SERIES.items()):
        shares: list[Share | None] = [getattr(each, key) for each in run.stages]
        _points(axis, place + 0.1 * (offset - 1.5), shares, _COLOURS[key], words)
    axis.set_xticks(place, names, fontsize=7, rotation=30, ha="right")
    axis.set_title(f"Live traffic, stage by stage: {run.family}")
    return _dressed(figure, axis)


def _exams(run: Run) -> Any:  # noqa: ANN401
    figure, axis = plt.subplots(figsize=(7, 4.2))
    place = np.arange(len(run.exams))
    for offset, (key, words) in enumerate(_SERIES.items()):
        figures: list[Figure] = [getattr(each, key) for each in run.exams]
        _points(axis, place + 0.1 * (offset - 1.5), figures, _COLOURS[key], words)
    axis.set_xticks(place, [f"{each.step}\n{each.model_version}" for each in run.exams], fontsize=8)
    axis.set_title("The same photos, judged by each model")
    return _dressed(figure, axis)


def _clusters(run: Run) -> Any:  # noqa: ANN401
    figure, axis = plt.subplots(figsize=(7, 3.6))
    clusters = run.cause.clusters if run.cause is not None else ()
    place = np.arange(len(clusters))
    axis.bar(place - 0.2, [each.excess for each in clusters], 0.4, color="#888888", label="excess share")
    axis.bar(place + 0.2, [each.new_share for each in clusters], 0.4, color="#c0392b", label="new (truth)")
    axis.set_xticks(place, [f"{each.number}\n{each.photos} photos" for each in clusters], fontsize=8)
    axis.axhline(0, color="#222222", linewidth=0.6)
    axis.legend(fontsize=8)
    axis.set_title("Clusters of the alarmed window")
    return figure


def _points(axis: Any, place: Any, values: Any, colour: str, words: str) -> None:  # noqa: ANN401
    rows = [
        (
            x,
            each.value,
            each.value if each.low is None else each.low,
            each.value if each.high is None else each.high,
        )
        for x, each in zip(place.tolist(), values, strict=True)
        if each is not None and each.value is not None
    ]
    if not rows:
        return
    x, value, low, high = (np.array(column) for column in zip(*rows, strict=True))
    spread = np.maximum(0.0, np.stack([value - low, high - value]))
    axis.errorbar(
        x, value, yerr=spread, fmt="o-", color=colour, label=words, capsize=2, markersize=4, linewidth=1
    )


def _dressed(figure: Any, axis: Any) -> Any:  # noqa: ANN401
    axis.set_ylim(-0.02, 1.02)
    axis.grid(axis="y", alpha=0.3)
    axis.legend(fontsize=8, loc="lower left")
    return figure


def _save(figure: Any, path: Path) -> None:  # noqa: ANN401
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
