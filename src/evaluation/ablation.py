"""What the views are worth: the same photos judged by the global view, by crops, by both, and as chosen.

Score tables hold the logit of each view; nothing is scored again.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from src.evaluation.bootstrap import Figure, intervals
from src.evaluation.crossfit import Applied, apply, cross_fit, fit
from src.evaluation.metrics import BoolArray, FloatArray, decision_metrics, ranking_metrics
from src.evaluation.plan import Choice, measure, scored_crops
from src.evaluation.scores import ScoreTable

ViewChoice = Literal["global only", "crops only", "all, evenly", "chosen"]


class AblationRow(BaseModel):
    """Figures of one choice of views in one tier.

    Attributes:
        dataset: `test` or `unseen`.
        tier: The tier.
        views: Which logits were used; `chosen` is chosen on other shops for `unseen`, the card's for `test`.
        auroc: Over all photos.
        balanced_accuracy: Under the `balanced` policy, fitted for this choice on other shops.
        auroc_by_style: Style -> AUROC of its real photos against all fakes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    tier: str
    views: ViewChoice
    auroc: Figure
    balanced_accuracy: Figure
    auroc_by_style: dict[str, float]


class GridPoint(BaseModel):
    """AUROC on `unseen`, averaged over tiers, of one number of crops and one weight of the global view."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crops: int
    global_weight: float
    auroc: float


def view_grid(unseen: ScoreTable) -> list[GridPoint]:
    """Every choice that was open; the card's plan is the best of these."""
    return [
        GridPoint(crops=choice.crops, global_weight=choice.global_weight, auroc=value)
        for choice, value in measure(unseen)
    ]


def view_ablation(
    unseen: ScoreTable, test: ScoreTable | None = None, *, replicates: int = 1000
) -> list[AblationRow]:
    """Compare the views on `unseen` (cross-fitted) and, with what `unseen` teaches, on `test`.

    A table without crops gives no rows: there is nothing to compare.
    """
    crops = scored_crops(unseen)
    if crops == 0 or (test is not None and scored_crops(test) == 0):
        return []
    choices: dict[ViewChoice, Choice | None] = {
        "global only": Choice(0, 1.0),
        "crops only": Choice(crops, 0.0),
        "all, evenly": Choice(crops, 0.5),
        "chosen": None,
    }
    rows: list[AblationRow] = []
    for name, choice in choices.items():
        judged: list[tuple[str, Applied]] = [("unseen", cross_fit(unseen, choice)[0])]
        if test is not None:
            known = fit(unseen, choice)
            judged.append(("test", apply(test, known.choice, known.calibration, known.policies)))
        rows += [
            _row(dataset, tier, name, applied.of_tier(tier), replicates=replicates)
            for dataset, applied in judged
            for tier in applied.table.tiers
        ]
    return rows


def _row(dataset: str, tier: str, choice: ViewChoice, applied: Applied, *, replicates: int) -> AblationRow:
    table, decided = applied.table, applied.decided["balanced"]

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        return {
            "auroc": ranking_metrics(table.fake, table.logit, weights)["auroc"],
            "balanced_accuracy": decision_metrics(table.fake, decided, weights)["balanced_accuracy"],
        }

    both = intervals(figures, table.source, table.fake, replicates=replicates)
    styles = [style for style in np.unique(table.style[~table.fake]).tolist() if style]
    return AblationRow(
        dataset=dataset,
        tier=tier,
        views=choice,
        auroc=both["auroc"],
        balanced_accuracy=both["balanced_accuracy"],
        auroc_by_style={style: _auroc_of(table, table.fake | (table.style == style)) for style in styles},
    )


def _auroc_of(table: ScoreTable, mask: BoolArray) -> float:
    return float(ranking_metrics(table.fake[mask], table.logit[mask])["auroc"][0])
