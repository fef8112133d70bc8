"""Every figure of the report, from labels, scores and verdicts: NumPy alone, vectorised over weights.

All functions take optional weights [B, N]: one row of weights is one replicate of a bootstrap, so that a
thousand replicates cost a few matrix products. Without weights, B is 1 and every photo counts once. The
positive class is "AI-generated". A figure whose class is absent is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

ECE_BINS = 15
MAX_FPR = 0.01

DECISION_METRICS = ("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1")
RANKING_METRICS = ("auroc", "average_precision", "tpr_at_1fpr")
CALIBRATION_METRICS = ("ece", "brier")


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """What a detector said of N photos.

    Attributes:
        fake: bool [N], the truth.
        score: float [N], any monotone score; used for ranking alone (ties count as half).
        probability: float [N] in 0..1, calibrated.
        decided: bool [N], the label given: True is "AI-generated".
    """

    fake: BoolArray
    score: FloatArray
    probability: FloatArray
    decided: BoolArray


def _weights(weights: FloatArray | None, count: int) -> FloatArray:
    return np.ones((1, count)) if weights is None else np.atleast_2d(np.asarray(weights, dtype=np.float64))


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Ratio of two arrays; NaN where the whole is 0."""
    ratio: FloatArray = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return ratio


def decision_metrics(
    fake: BoolArray, decided: BoolArray, weights: FloatArray | None = None
) -> dict[str, FloatArray]:
    """The figures of a yes-or-no verdict, each float [B]."""
    weights = _weights(weights, len(fake))
    parts = np.stack([fake & decided, ~fake & decided, ~fake & ~decided, fake & ~decided], axis=1)
    tp, fp, tn, fn = (weights @ parts.astype(np.float64)).T
    recall, specificity = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
    return {
        "accuracy": _ratio(tp + tn, tp + fp + tn + fn),
        "balanced_accuracy": (recall + specificity) / 2,
        "precision": _ratio(tp, tp + fp),
        "recall": recall,
        "specificity": specificity,
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
    }


def curve(
    fake: BoolArray, score: FloatArray, weights: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Weight of true and of false positives at each distinct score, highest first, led by a 0.

    Returns:
        tp, fp: float [B, K + 1] for K distinct scores.
    """
    weights = _weights(weights, len(fake))
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    # Photos with one and the same score cannot be told apart: the curve has a point only where the score
    # changes.
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    weights = weights[:, order]
    start = np.zeros((len(weights), 1))
    tp = np.cumsum(weights * fake[order], axis=1)[:, ends]
    fp = np.cumsum(weights * ~fake[order], axis=1)[:, ends]
    return np.hstack([start, tp]), np.hstack([start, fp])


def ranking_metrics(
    fake: BoolArray, score: FloatArray, weights: FloatArray | None = None
) -> dict[str, FloatArray]:
    """Figures that need no threshold, each float [B].

    AUROC counts ties as half; average precision is the step-wise sum (no interpolation); `tpr_at_1fpr` is the
    best recall of any threshold that accuses at most 1 % of the real photos.
    """
    if len(fake) == 0:
        return {name: np.full(1, np.nan) for name in RANKING_METRICS}
    tp, fp = curve(fake, score, weights)
    positives, negatives = tp[:, -1], fp[:, -1]
    area = np.sum(np.diff(fp, axis=1) * (tp[:, 1:] + tp[:, :-1]) / 2, axis=1)
    precision = np.nan_to_num(_ratio(tp[:, 1:], tp[:, 1:] + fp[:, 1:]))
    found = np.sum(np.diff(tp, axis=1) * precision, axis=1)
    # The sums of weights carry rounding errors of some 1e-16 each.
    allowed = fp <= negatives[:, None] * MAX_FPR + 1e-9
    return {
        "auroc": _ratio(area, positives * negatives),
        "average_precision": _ratio(found, positives),
        "tpr_at_1fpr": np.where(
            negatives > 0, _ratio(np.max(np.where(allowed, tp, 0.0), axis=1), positives), np.nan
        ),
    }


def reliability(
    fake: BoolArray, probability: FloatArray, weights: FloatArray | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weight, mean probability, share of fakes of 15 bins of equal width, each [B, 15]; NaN when empty."""
    weights = _weights(weights, len(fake))
    index = np.minimum((probability * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    member = (index[:, None] == np.arange(ECE_BINS)).astype(np.float64)
    mass = weights @ member
    mean = _ratio((weights * probability) @ member, mass)
    share = _ratio((weights * fake) @ member, mass)
    return mass, mean, share


def calibration_metrics(
    fake: BoolArray, probability: FloatArray, weights: FloatArray | None = None
) -> dict[str, FloatArray]:
    """Expected calibration error (15 equal-width bins; Guo et al. 2017) and Brier score, each float [B]."""
    weights = _weights(weights, len(fake))
    mass, mean, share = reliability(fake, probability, weights)
    total = weights.sum(axis=1)
    gaps = np.nansum(mass * np.abs(mean - share), axis=1)
    squares = weights @ np.square(probability - fake)
    return {"ece": _ratio(gaps, total), "brier": _ratio(squares, total)}


def all_metrics(verdicts: Verdicts, weights: FloatArray | None = None) -> dict[str, FloatArray]:
    """Decision, ranking and calibration figures together, each float [B]."""
    return {
        **decision_metrics(verdicts.fake, verdicts.decided, weights),
        **ranking_metrics(verdicts.fake, verdicts.score, weights),
        **calibration_metrics(verdicts.fake, verdicts.probability, weights),
    }


def auroc(fake: BoolArray, score: FloatArray) -> float:
    """Area under the ROC curve: the chance that a fake scores above a photo; NaN for a single class."""
    return float(ranking_metrics(np.asarray(fake, bool), np.asarray(score, np.float64))["auroc"][0])


def balanced_accuracy(fake: BoolArray, decided: BoolArray) -> float:
    """Mean of recall and specificity; NaN when a class is absent."""
    figures = decision_metrics(np.asarray(fake, bool), np.asarray(decided, bool))
    return float(figures["balanced_accuracy"][0])
