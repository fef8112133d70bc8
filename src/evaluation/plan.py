"""Which views of a photo to count, chosen by figures: how many crops, and the weight of the global view.

Score tables keep the logit of each view, so every plan can be tried without scoring anything again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from src.evaluation.metrics import FloatArray, auroc
from src.evaluation.scores import ScoreTable
from src.utils.errors import DataError
from src.utils.model_card import ViewPlan

WEIGHTS = tuple(round(0.05 * step, 2) for step in range(21))
# Far below the width of any interval here, and each crop costs a user a fifth of the latency.
PLATEAU = 0.0005


@dataclass(frozen=True, slots=True)
class Choice:
    """The part of a view plan that can be chosen after scoring.

    Attributes:
        crops: How many crops count, most detailed first.
        global_weight: Weight of the global logit; the mean of the crops' has the rest.
    """

    crops: int
    global_weight: float

    def of(self, plan: ViewPlan) -> ViewPlan:
        """`plan` with this choice."""
        return plan.model_copy(update={"crops": self.crops, "global_weight": self.global_weight})


def choice_of(plan: ViewPlan) -> Choice:
    """What a plan chose."""
    return Choice(plan.crops, plan.global_weight)


def scored_crops(table: ScoreTable) -> int:
    """The largest number of crops of any photo."""
    return int(table.crop_logits.shape[1])


def combined(table: ScoreTable, choice: Choice) -> FloatArray:
    """The logit [N] that `src.imaging.views.combine_logits` gives under this choice.

    Raises:
        DataError: A photo has no crop, though the choice counts crops.
    """
    if choice.crops == 0:
        return table.global_logit
    crops = table.crop_logits[:, : choice.crops]
    present = np.isfinite(crops)
    # A small photo has fewer cells than crops were asked for; what it has are then all there are.
    count = present.sum(axis=1)
    if crops.size == 0 or not count.all():
        raise DataError("these scores hold no crops, but the view plan counts them: score anew")
    mean = np.where(present, crops, 0.0).sum(axis=1) / count
    logit: FloatArray = choice.global_weight * table.global_logit + (1 - choice.global_weight) * mean
    return logit


def replan(table: ScoreTable, choice: Choice) -> ScoreTable:
    """The table with its `logit` combined anew."""
    return replace(table, logit=combined(table, choice))


def grid(crops: int) -> list[Choice]:
    """Every choice that `crops` scored crops allow, fewest crops first; the global view alone leads."""
    return [Choice(0, 1.0)] + [
        Choice(count, weight) for count in range(1, crops + 1) for weight in WEIGHTS if weight < 1.0
    ]


def mean_auroc(table: ScoreTable, logit: FloatArray) -> float:
    """AUROC averaged over the tiers that occur."""
    masks = [table.tier == tier for tier in table.tiers]
    return float(np.mean([auroc(table.fake[mask], logit[mask]) for mask in masks]))


def measure(table: ScoreTable) -> list[tuple[Choice, float]]:
    """`mean_auroc` of every choice."""
    return [(choice, mean_auroc(table, combined(table, choice))) for choice in grid(scored_crops(table))]


def best(measured: list[tuple[Choice, float]]) -> Choice:
    """The best of those with the fewest crops that come within `PLATEAU` of the best of all."""
    top = max(value for _, value in measured)
    crops = min(choice.crops for choice, value in measured if value >= top - PLATEAU)
    return max((each for each in measured if each[0].crops == crops), key=lambda each: each[1])[0]


def choose(table: ScoreTable) -> Choice:
    """The choice that does best on a table.

    Raises:
        DataError: Some photos were scored with crops and others without.
    """
    if scored_crops(table) and not np.isfinite(table.crop_logits[:, 0]).all():
        raise DataError("some photos have crops and others none: were two view plans mixed?")
    return best(measure(table))
