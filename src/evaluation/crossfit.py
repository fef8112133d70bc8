"""Calibration and policies applied to score tables: as the card has them, or cross-fitted over folds.

A threshold fitted on the photos it is judged on flatters itself; so for `unseen`, what judges a fold is
fitted on the other folds alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from src.evaluation.calibration import damped_weights, fit_calibration
from src.evaluation.metrics import BoolArray, FloatArray, Verdicts
from src.evaluation.policies import choose_policies
from src.evaluation.scores import ScoreTable
from src.utils.errors import DataError
from src.utils.model_card import Calibration, Policy


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a set of scores teaches: the calibration and the policies upon it."""

    calibration: Calibration
    policies: dict[str, Policy]


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """A table's scores after calibration and policies.

    Attributes:
        table: N rows.
        probability: float [N].
        decided: policy -> bool [N], labelled AI-generated.
        review: policy -> bool [N], inside the review band.
    """

    table: ScoreTable
    probability: FloatArray
    decided: dict[str, BoolArray]
    review: dict[str, BoolArray]

    def where(self, mask: BoolArray) -> Applied:
        """The rows for which `mask` [N] holds."""
        return Applied(
            self.table.where(mask),
            self.probability[mask],
            {name: values[mask] for name, values in self.decided.items()},
            {name: values[mask] for name, values in self.review.items()},
        )

    def of_tier(self, tier: str) -> Applied:
        """The rows of one tier."""
        return self.where(self.table.tier == tier)

    def verdicts(self, policy: str) -> Verdicts:
        """What the figures of one policy are computed from."""
        return Verdicts(self.table.fake, self.table.logit, self.probability, self.decided[policy])


def fit(table: ScoreTable) -> Fitted:
    """Fit the calibration on all rows (tiers pooled), then choose policies on calibrated probabilities."""
    calibration = fit_calibration(table.fake, table.logit, damped_weights(table.fake, table.source))
    probability = calibration.probability(table.logit)
    return Fitted(calibration, choose_policies(table.fake, probability, table.source, table.tier))


def apply(table: ScoreTable, calibration: Calibration, policies: Mapping[str, Policy]) -> Applied:
    """Calibrate and decide every row with one calibration and one set of policies."""
    probability = np.asarray(calibration.probability(table.logit))
    return Applied(
        table,
        probability,
        {name: probability >= policy.threshold for name, policy in policies.items()},
        {
            name: (probability >= policy.review_low) & (probability < policy.review_high)
            for name, policy in policies.items()
        },
    )


def cross_fit(table: ScoreTable) -> tuple[Applied, dict[int, Fitted]]:
    """Judge each fold with what the other folds teach.

    Returns:
        The judged table, in the order of `table`, and what was fitted for each fold.

    Raises:
        DataError: Fewer than two folds, or a source that lies in more than one.
    """
    check_folds(table)
    probability = np.zeros(len(table))
    decided: dict[str, BoolArray] = {}
    review: dict[str, BoolArray] = {}
    fitted: dict[int, Fitted] = {}
    for fold in np.unique(table.fold).tolist():
        inside = table.fold == fold
        fitted[fold] = fit(table.where(~inside))
        judged = apply(table.where(inside), fitted[fold].calibration, fitted[fold].policies)
        probability[inside] = judged.probability
        for name in judged.decided:
            decided.setdefault(name, np.zeros(len(table), dtype=bool))[inside] = judged.decided[name]
            review.setdefault(name, np.zeros(len(table), dtype=bool))[inside] = judged.review[name]
    return Applied(table, probability, decided, review), fitted


def check_folds(table: ScoreTable) -> None:
    """Refuse a table whose folds do not part whole sources: its `unseen` figures would be of known shops.

    Raises:
        DataError: Fewer than two folds, or a source that lies in more than one.
    """
    pairs = np.unique(np.char.add(np.char.add(table.source, "|"), table.fold.astype(np.str_)))
    if len(pairs) != len(np.unique(table.source)):
        raise DataError("a source lies in more than one fold: these scores are not of unseen shops")
    if len(np.unique(table.fold)) < 2:
        raise DataError("cross-fitting needs the scores of at least two folds")
