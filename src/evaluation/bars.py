"""The bars of the first release, held against a report's figures."""

from __future__ import annotations

from collections.abc import Sequence

from src.evaluation.counterfactual import MAX_COST
from src.evaluation.factcheck import MAX_SPEARMAN
from src.evaluation.figures import Bar, Block
from src.evaluation.lengths import Lengths
from src.evaluation.policies import MIN_RECALL, MIN_SPECIFICITY
from src.evaluation.shortcut import ShortcutReport

MIN_AUROC = {"test": 0.97, "unseen": 0.92}


def hold_bars(blocks: Sequence[Block], shortcut: Sequence[ShortcutReport], lengths: Lengths) -> list[Bar]:
    """One bar a line; bars whose figure was not measured are left out."""
    bars = []
    for block in blocks:
        if block.tier != "clean" or block.weighting != "photos" or block.dataset not in MIN_AUROC:
            continue
        what = f"unseen ({lengths.words})" if block.dataset == "unseen" else block.dataset
        if block.policy == "balanced":
            name = f"AUROC, {what}, clean"
            bars.append(_at_least(name, block.figures["auroc"].value, MIN_AUROC[block.dataset]))
        promised = {
            "low_false_positive": ("specificity", MIN_SPECIFICITY),
            "high_recall": ("recall", MIN_RECALL),
        }
        if block.policy in promised:
            metric, minimum = promised[block.policy]
            name = f"{metric} under `{block.policy}`, {what}, clean"
            bars.append(_at_least(name, block.figures[metric].value, minimum))
    for check in shortcut:
        for facts in check.facts:
            found = f"{facts.scores} ({lengths.words})" if facts.scores == "unseen" else facts.scores
            name = f"largest Spearman of a file fact, {found}"
            bars.append(_at_most(name, facts.worst_spearman, MAX_SPEARMAN))
        name = f"points lost to re-encoding, {check.name}"
        bars.append(_at_most(name, check.counterfactual.cost.value, MAX_COST))
    return bars


def _at_least(name: str, value: float | None, bar: float) -> Bar:
    found = float("-inf") if value is None else value
    return Bar(name=name, value=0.0 if value is None else value, bar=f"≥ {bar:g}", met=found >= bar)


def _at_most(name: str, value: float | None, bar: float) -> Bar:
    found = float("inf") if value is None else value
    return Bar(name=name, value=0.0 if value is None else value, bar=f"≤ {bar:g}", met=found <= bar)
