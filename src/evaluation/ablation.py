"""What the views are worth: the same photos judged by the global view alone, by the crops alone, and by both.

The columns `global_logit` and `crop_logit` of a score table hold all that is needed; nothing is scored again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from src.evaluation.bootstrap import Figure, intervals
from src.evaluation.crossfit import Applied, apply, cross_fit, fit
from src.evaluation.metrics import BoolArray, FloatArray, decision_metrics, ranking_metrics
from src.evaluation.scores import ScoreTable

ViewChoice = Literal["global only", "crops only", "both"]
CHOICES: tuple[ViewChoice, ...] = ("global only", "crops only", "both")


class AblationRow(BaseModel):
    """Figures of one choice of views in one tier.

    Attributes:
        dataset: `test` or `unseen`.
        tier: The tier.
        views: Which logits were used.
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


def view_ablation(
    unseen: ScoreTable, test: ScoreTable | None = None, *, replicates: int = 1000
) -> list[AblationRow]:
    """Compare the views on `unseen` (cross-fitted) and, with what `unseen` teaches, on `test`.

    A table without crops gives no rows: there is nothing to compare.
    """
    if not np.isfinite(unseen.crop_logit).all():
        return []
    rows: list[AblationRow] = []
    for choice in CHOICES:
        known = _chosen(unseen, choice)
        judged: list[tuple[str, Applied]] = [("unseen", cross_fit(known)[0])]
        if test is not None and np.isfinite(test.crop_logit).all():
            fitted = fit(known)
            judged.append(("test", apply(_chosen(test, choice), fitted.calibration, fitted.policies)))
        rows += [
            _row(dataset, tier, choice, applied.of_tier(tier), replicates=replicates)
            for dataset, applied in judged
            for tier in applied.table.tiers
        ]
    return rows


def _chosen(table: ScoreTable, choice: ViewChoice) -> ScoreTable:
    column = {"global only": table.global_logit, "crops only": table.crop_logit, "both": table.logit}[choice]
    return replace(table, logit=column)


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
