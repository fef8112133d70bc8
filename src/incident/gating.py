"""The gates of a rehearsal: those of every promotion, with one thing told apart.

A champion that was trained for minutes misses absolute floors that the released one holds. What the champion
itself misses, and the candidate misses by no more, is no harm that the candidate does: it is excused, and the
record names it.
"""

from __future__ import annotations

from collections.abc import Sequence

from src.data.report import ValidationReport
from src.evaluation.gates import GateLimits, GateResult, missed
from src.evaluation.promotion import Files, check, summary
from src.registry.registry import Registry
from src.utils.errors import PromotionRefused

FIRST = GateResult(
    name="first champion of a rehearsal, taken as it is", passed=True, value=0.0, limit=0.0, margin=0.0
)
_SAME = 0.01


def hold(
    candidate: Files, champion: Files, validation: ValidationReport | None, limits: GateLimits
) -> tuple[list[GateResult], list[str]]:
    """Hold every gate; returns the results, and the names of those that are excused."""
    mine = check(candidate, champion, validation, limits)
    theirs = {each.name: each for each in check(champion, None, validation, limits)}
    excused = [each.name for each in missed(mine) if _excused(each, theirs.get(each.name))]
    return mine, excused


def _excused(mine: GateResult, champions: GateResult | None) -> bool:
    if champions is None or champions.passed:
        return False
    if mine.margin is None or champions.margin is None:
        return mine.margin is champions.margin
    # A larger margin is a smaller miss, whichever way the gate points.
    return mine.margin >= champions.margin - _SAME * max(1.0, abs(champions.limit))


def promote(shelf: Registry, version: int, results: Sequence[GateResult], excused: Sequence[str]) -> bool:
    """Make a version champion where only excused gates are missed; False when it stays out."""
    held = [each for each in results if each.passed or each.name not in set(excused)]
    try:
        shelf.promote(version, held, summary=summary(held))
    except PromotionRefused:
        return False
    return True
