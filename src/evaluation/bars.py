"""The bars of the first release, held against a report's figures."""

from __future__ import annotations

from collections.abc import Sequence

from src.evaluation.counterfactual import MAX_COST
from src.evaluation.factcheck import MAX_SPEARMAN
from src.evaluation.figures import Bar, Block
from src.evaluation.policies import MIN_RECALL, MIN_SPECIFICITY
from src.evaluation.shortcut import ShortcutReport

MIN_AUROC = {"test": 0.97, "unseen": 0.92}


def hold_bars(blocks: Sequence[Block], shortcut: Sequence[ShortcutReport]) -> list[Bar]:
    """One bar a line; bars whose figure was not measured are left out."""
    bars = []
    for block in blocks:
        if block.tier != "clean" or block.weighting != "photos":
            continue
        if block.policy == "balanced":
            name = f"AUROC, {block.dataset}, clean"
            bars.append(_at_least(name, block.figures["auroc"].value, MIN_AUROC[block.dataset]))
        promised = {
            "low_false_positive": ("specificity", MIN_SPECIFICITY),
            "high_recall": ("recall", MIN_RECALL),
        }
        if block.policy in promised:
            metric, minimum = promised[block.policy]
            name = f"{metric} under `{block.policy}`, {block.dataset}, clean"
            bars.append(_at_least(name, block.figures[metric].value, minimum))
    for check in shortcut:
        bars.append(
            _at_most(
                f"largest Spearman of a file fact, {check.facts_from}", check.worst_spearman, MAX_SPEARMAN
            )
        )
        counterfactual = check.counterfactual
        for figure, what in (
            (counterfactual.net, "beyond the control"),
            (counterfactual.cost, "against untouched"),
        ):
            name = f"points lost to re-encoding, {what}, {check.name}"
            bars.append(_at_most(name, figure.value, MAX_COST))
    return bars


def _at_least(name: str, value: float | None, bar: float) -> Bar:
    found = float("-inf") if value is None else value
    return Bar(name=name, value=0.0 if value is None else value, bar=f"≥ {bar:g}", met=found >= bar)


def _at_most(name: str, value: float | None, bar: float) -> Bar:
    found = float("inf") if value is None else value
    return Bar(name=name, value=0.0 if value is None else value, bar=f"≤ {bar:g}", met=found <= bar)
