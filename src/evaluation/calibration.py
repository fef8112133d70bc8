"""Fits the temperature and bias that turn a logit into a probability; no large shop dominates the fit.

Maximum likelihood of sigmoid(logit / temperature + bias): Platt (1999), with his smoothed targets; the
temperature as named by Guo et al. (2017).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from src.evaluation.metrics import BoolArray, FloatArray
from src.utils.errors import DataError
from src.utils.model_card import Calibration

DAMPING = 0.5
_SLOPE_BOUNDS = (1e-3, 1e3)


def damped_weights(fake: BoolArray, source: NDArray[np.str_], damping: float = DAMPING) -> FloatArray:
    """Weights [N] that sum to 0.5 within each label; the share of a shop of n rows grows as n^(1 - damping).

    0 counts photos evenly, 1 counts shops evenly; a half lets a shop of 400 photos weigh as ten shops of 4.

    Raises:
        DataError: A label is absent.
    """
    weights = np.zeros(len(fake))
    for label in (False, True):
        mask = fake == label
        if not mask.any():
            raise DataError("calibration needs photos of both labels")
        _, index, size = np.unique(source[mask], return_inverse=True, return_counts=True)
        share = size[index].astype(np.float64) ** -damping
        weights[mask] = 0.5 * share / share.sum()
    return weights


def fit_calibration(fake: BoolArray, logit: FloatArray, weights: FloatArray) -> Calibration:
    """Maximise the weighted likelihood over slope (1 / temperature) and bias; the problem is convex.

    Args:
        fake: bool [N].
        logit: float [N], raw.
        weights: float [N]; their sum within a label is that label's prior (see `damped_weights`).

    Returns:
        The calibration; its temperature stays within 0.001 and 1000 times the spread of the logits.

    Raises:
        DataError: A label is absent or a logit is not finite.
    """
    if fake.all() or not fake.any():
        raise DataError("calibration needs photos of both labels")
    if not np.isfinite(logit).all():
        raise DataError("a logit is not finite")
    weights = weights / weights.sum()
    target = np.where(fake, _smoothed(weights[fake]), 1 - _smoothed(weights[~fake]))
    # Unit spread keeps the optimiser's steps sane for networks with tiny or huge logits.
    scale = float(np.std(logit)) or 1.0

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        unit = logit / scale
        score = parameters[0] * unit + parameters[1]
        value = float(weights @ (np.logaddexp(0.0, score) - target * score))
        slope = weights * (Calibration().probability(score) - target)
        return value, np.array([slope @ unit, slope.sum()])

    fit = minimize(
        loss,
        np.array([1.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[_SLOPE_BOUNDS, (None, None)],
        options={"ftol": 1e-14, "gtol": 1e-9},
    )
    return Calibration(temperature=float(scale / fit.x[0]), bias=float(fit.x[1]))


def _smoothed(weights: FloatArray) -> float:
    """Platt's target of one class, (n + 1) / (n + 2); n is the effective number of photos (Kish 1965)."""
    effective = float(weights.sum() ** 2 / np.square(weights).sum())
    return (effective + 1) / (effective + 2)
