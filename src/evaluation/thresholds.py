"""What every threshold costs and brings, and how true probabilities are: the report that goes with a model.

Judged as the main report judges: `unseen` with views and calibration that the other folds taught.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from src.evaluation.bootstrap import REPLICATES, Figure, intervals
from src.evaluation.crossfit import Applied
from src.evaluation.figures import Block, Dataset, Report
from src.evaluation.metrics import FloatArray
from src.utils.model_report import (
    Curve,
    Estimate,
    ModelReport,
    PolicyFigures,
    ReliabilityBin,
    ThresholdRow,
)

FILE = "thresholds.json"
THRESHOLDS: FloatArray = np.linspace(0.0, 1.0, 101)
_BINS = 20
_DIGITS = 6


def model_report(
    report: Report, applied: Mapping[Dataset, Applied], *, replicates: int = REPLICATES
) -> ModelReport:
    """Gather what the page about a model shows.

    Args:
        report: The main report.
        applied: The judged tables that it was made of.
        replicates: Bootstrap draws of every interval.
    """
    return ModelReport(
        model_name=report.model_name,
        model_version=report.model_version,
        curves=tuple(
            make_curve(judged.of_tier(tier), dataset, tier, replicates=replicates)
            for dataset, judged in applied.items()
            for tier in judged.table.tiers
        ),
        policies=tuple(_policy(block) for block in report.blocks if block.weighting == "photos"),
    )


def make_curve(judged: Applied, dataset: Dataset, tier: str, *, replicates: int) -> Curve:
    """Share of real photos called AI-generated, and of AI-generated ones found, at each of `THRESHOLDS`.

    Intervals are those of the cluster bootstrap over shops, every photo counted once.
    """
    fake, probability = judged.table.fake, judged.probability
    called = probability[:, None] >= THRESHOLDS  # [N, T]

    def shares(weights: FloatArray) -> dict[str, FloatArray]:
        found: dict[str, FloatArray] = {}
        for name, label in (("false_positives", False), ("recall", True)):
            part = weights[:, fake == label]
            whole = part.sum(axis=1)
            values = np.divide(
                part @ called[fake == label].astype(np.float64),
                whole[:, None],
                out=np.full((len(part), len(THRESHOLDS)), np.nan),
                where=whole[:, None] > 0,
            )
            found |= {f"{name} {index}": values[:, index] for index in range(len(THRESHOLDS))}
        return found

    figures = intervals(shares, judged.table.source, fake, replicates=replicates)
    return Curve(
        dataset=dataset,
        tier=tier,
        photos=len(fake),
        fakes=int(fake.sum()),
        sources=len(np.unique(judged.table.source)),
        rows=tuple(
            ThresholdRow(
                threshold=round(float(threshold), _DIGITS),
                false_positives=_estimate(figures[f"false_positives {index}"]),
                recall=_estimate(figures[f"recall {index}"]),
            )
            for index, threshold in enumerate(THRESHOLDS)
        ),
        reliability=reliability(judged),
    )


def reliability(judged: Applied) -> tuple[ReliabilityBin, ...]:
    """Photos in bins of equal width by probability (DeGroot & Fienberg 1983); empty bins are left out."""
    fake, probability = judged.table.fake, judged.probability
    place = np.minimum((probability * _BINS).astype(np.int64), _BINS - 1)
    return tuple(
        ReliabilityBin(
            probability=round(float(probability[inside].mean()), _DIGITS),
            share=round(float(fake[inside].mean()), _DIGITS),
            real=int(np.count_nonzero(~fake[inside])),
            fake=int(np.count_nonzero(fake[inside])),
        )
        for index in range(_BINS)
        if (inside := place == index).any()
    )


def write_model_report(folder: Path, found: ModelReport) -> None:
    """Write `thresholds.json` into a report's folder."""
    (folder / FILE).write_text(found.model_dump_json() + "\n", encoding="utf-8")


def _policy(block: Block) -> PolicyFigures:
    return PolicyFigures(
        dataset=block.dataset,
        tier=block.tier,
        policy=block.policy,
        photos=block.photos,
        fakes=block.fakes,
        figures={name: _estimate(figure) for name, figure in block.figures.items()},
        review_share=round(block.review_share, _DIGITS),
    )


def _estimate(figure: Figure) -> Estimate:
    low, value, high = (
        None if each is None else round(each, _DIGITS) for each in (figure.low, figure.value, figure.high)
    )
    return Estimate(value=value, low=low, high=high)
