"""Views, calibration and policies applied to score tables: as the card has them, or cross-fitted over folds.

A threshold fitted on the photos it is judged on flatters itself, and so does a view plan chosen on them; for
`unseen`, what judges a fold is chosen and fitted on the other folds alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from src.evaluation.calibration import damped_weights, fit_calibration
from src.evaluation.metrics import BoolArray, FloatArray, Verdicts
from src.evaluation.plan import Choice, choose, replan
from src.evaluation.policies import choose_policies
from src.evaluation.scores import ScoreTable
from src.utils.errors import DataError
from src.utils.model_card import Calibration, Policy


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a set of scores teaches: which views count, the calibration, and the policies upon it."""

    choice: Choice
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


def fit(table: ScoreTable, choice: Choice | None = None) -> Fitted:
    """Choose the views (unless `choice` says them), calibrate on all tiers pooled, then choose policies."""
    chosen = choose(table) if choice is None else choice
    table = replan(table, chosen)
    calibration = fit_calibration(table.fake, table.logit, damped_weights(table.fake, table.source))
    probability = calibration.probability(table.logit)
    return Fitted(chosen, calibration, choose_policies(table.fake, probability, table.source, table.tier))


def apply(
    table: ScoreTable, choice: Choice, calibration: Calibration, policies: Mapping[str, Policy]
) -> Applied:
    """Combine, calibrate and decide every row in one way; the result holds the combined logits."""
    table = replan(table, choice)
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


def cross_fit(table: ScoreTable, choice: Choice | None = None) -> tuple[Applied, dict[int, Fitted]]:
    """Judge each fold with what the other folds teach.

    Args:
        table: Scores of all folds.
        choice: Which views count; chosen for each fold on the other folds without it.

    Returns:
        The judged table, in the order of `table`, and what was fitted for each fold.

    Raises:
        DataError: Fewer than two folds, or a source that lies in more than one.
    """
    check_folds(table)
    logit, probability = np.zeros(len(table)), np.zeros(len(table))
    decided: dict[str, BoolArray] = {}
    review: dict[str, BoolArray] = {}
    fitted: dict[int, Fitted] = {}
    for fold in np.unique(table.fold).tolist():
        inside = table.fold == fold
        known = fitted[fold] = fit(table.where(~inside), choice)
        judged = apply(table.where(inside), known.choice, known.calibration, known.policies)
        logit[inside] = judged.table.logit
        probability[inside] = judged.probability
        for name in judged.decided:
            decided.setdefault(name, np.zeros(len(table), dtype=bool))[inside] = judged.decided[name]
            review.setdefault(name, np.zeros(len(table), dtype=bool))[inside] = judged.review[name]
    return Applied(replace(table, logit=logit), probability, decided, review), fitted


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
