"""Chooses the thresholds of the three policies, and a review band around each, on calibrated scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from src.evaluation.calibration import damped_weights
from src.evaluation.metrics import BoolArray, FloatArray
from src.utils.errors import DataError
from src.utils.model_card import Policy

MIN_SPECIFICITY = 0.98
MIN_RECALL = 0.95
REVIEW_ERROR = 0.25
_PLATEAU = 0.001


def threshold_curve(
    fake: BoolArray, probability: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Recall and specificity (weighted) of every threshold that makes a difference.

    Returns:
        thresholds, recall, specificity: float [K + 1], thresholds ascending. A threshold lies halfway between
        two neighbouring probabilities, so that a probability which moves by a rounding error keeps its label.
    """
    values, index = np.unique(probability, return_inverse=True)
    middle = (values[1:] + values[:-1]) / 2
    middle = np.where(middle > values[:-1], middle, values[1:])
    # Nothing lies above a probability of 1: then no threshold calls every photo real.
    top = [(1.0 + values[-1]) / 2] if values[-1] < 1.0 else []
    thresholds = np.concatenate([[0.0], middle, top])
    below_fake = np.append(0.0, np.cumsum(np.bincount(index, weights=weights * fake, minlength=len(values))))
    below_real = np.append(0.0, np.cumsum(np.bincount(index, weights=weights * ~fake, minlength=len(values))))
    count = len(thresholds)
    return thresholds, 1 - below_fake[:count] / below_fake[-1], below_real[:count] / below_real[-1]


def balanced_threshold(fake: BoolArray, probability: FloatArray, weights: FloatArray) -> float:
    """The threshold with the best balanced accuracy (Youden 1950): the middle of the flat top it lies on."""
    thresholds, recall, specificity = threshold_curve(fake, probability, weights)
    score = (recall + specificity) / 2
    best = int(np.argmax(score))
    low = high = best
    while low > 0 and score[low - 1] >= score[best] - _PLATEAU:
        low -= 1
    while high < len(score) - 1 and score[high + 1] >= score[best] - _PLATEAU:
        high += 1
    middle = (thresholds[low] + thresholds[high]) / 2
    return float(thresholds[low + int(np.argmin(np.abs(thresholds[low : high + 1] - middle)))])


def specificity_threshold(
    fake: BoolArray,
    probability: FloatArray,
    weightings: Sequence[FloatArray],
    minimum: float = MIN_SPECIFICITY,
) -> float:
    """The smallest threshold that keeps specificity at `minimum` or more under each of the weightings.

    Raises:
        DataError: No threshold within 0..1 does.
    """
    met = _all_met(fake, probability, weightings, minimum, of_real=True)
    thresholds = threshold_curve(fake, probability, weightings[0])[0]
    if not met.any():
        raise DataError(f"no threshold reaches a specificity of {minimum}")
    return float(thresholds[np.argmax(met)])


def recall_threshold(
    fake: BoolArray, probability: FloatArray, weightings: Sequence[FloatArray], minimum: float = MIN_RECALL
) -> float:
    """The largest threshold that keeps recall at `minimum` or more under each of the weightings."""
    met = _all_met(fake, probability, weightings, minimum, of_real=False)
    thresholds = threshold_curve(fake, probability, weightings[0])[0]
    return float(thresholds[np.flatnonzero(met)[-1]])


def review_band(
    fake: BoolArray,
    probability: FloatArray,
    weights: FloatArray,
    threshold: float,
    share: float = REVIEW_ERROR,
) -> tuple[float, float]:
    """The probabilities around `threshold` at which more than `share` of the verdicts would be wrong.

    The share of fakes at each probability is the isotonic regression of the labels (Zadrozny & Elkan 2002),
    which assumes nothing but that it rises. Below the threshold the band holds photos called real of which
    `share` or more are fakes; above it, photos called AI-generated of which `share` or more are real.

    Returns:
        low, high with low <= threshold <= high.
    """
    values, index = np.unique(probability, return_inverse=True)
    mass = np.bincount(index, weights=weights)
    fakes = np.bincount(index, weights=weights * fake) / mass
    rising = np.asarray(isotonic_regression(fakes, weights=mass).x)
    doubtful, sure = rising >= share, rising > 1 - share
    low = float(values[np.argmax(doubtful)]) if doubtful.any() else 1.0
    high = float(values[np.argmax(sure)]) if sure.any() else 1.0
    return min(low, threshold), max(high, threshold)


def choose_policies(
    fake: BoolArray, probability: FloatArray, source: NDArray[np.str_], tier: NDArray[np.str_]
) -> dict[str, Policy]:
    """The policies `balanced`, `low_false_positive` and `high_recall` for a pooled table of all tiers.

    The promises of the last two must hold with every photo counted once in each tier, and with shops damped:
    a threshold that holds only on average over tiers, or only thanks to one large shop, keeps no promise.

    Raises:
        DataError: A tier lacks a label.
    """
    if any(len(np.unique(fake[tier == name])) < 2 for name in np.unique(tier)):
        raise DataError("policies need photos of both labels in every tier")
    damped = damped_weights(fake, source)
    weightings = [damped, *((tier == name).astype(np.float64) for name in np.unique(tier))]
    balanced = balanced_threshold(fake, probability, damped)
    strict = specificity_threshold(fake, probability, weightings)
    eager = recall_threshold(fake, probability, weightings)
    # With a very good network the strict threshold could fall below the balanced one: names must keep their
    # order.
    chosen = {
        "balanced": (balanced, "Best balanced accuracy, large shops damped."),
        "low_false_positive": (
            max(strict, balanced),
            f"Chosen so that at least {MIN_SPECIFICITY:.0%} of real photos are called real, in every tier.",
        ),
        "high_recall": (
            min(eager, balanced),
            f"Chosen so that at least {MIN_RECALL:.0%} of AI-generated pictures are found, in every tier.",
        ),
    }
    policies = {}
    for name, (threshold, description) in chosen.items():
        low, high = review_band(fake, probability, damped, threshold)
        policies[name] = Policy(
            threshold=threshold, review_low=low, review_high=high, description=description
        )
    return policies


def _all_met(
    fake: BoolArray,
    probability: FloatArray,
    weightings: Sequence[FloatArray],
    minimum: float,
    *,
    of_real: bool,
) -> BoolArray:
    met = np.array([True])
    for weights in weightings:
        _, recall, specificity = threshold_curve(fake, probability, weights)
        met = met & ((specificity if of_real else recall) >= minimum - 1e-12)
    return met
