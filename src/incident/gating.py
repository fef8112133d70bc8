"""The gates of a rehearsal: those of every promotion, with one thing told apart.

A champion that was trained for minutes misses absolute floors that the released one holds. What the champion
itself misses, and the candidate misses by no more, is no harm that the candidate does: it is excused, and the
record names it as missed and excused. What was not measured is never excused.
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
_ROUNDING = 1e-9


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
        return False
    # A larger margin is a smaller miss, whichever way the gate points.
    return mine.margin >= champions.margin - _ROUNDING


def promote(
    shelf: Registry,
    version: int,
    results: Sequence[GateResult],
    excused: Sequence[str],
    *,
    against: int | None = None,
) -> bool:
    """Make a version champion where only excused gates are missed; False when it stays out.

    Args:
        shelf: Where it is registered.
        version: Its number.
        results: Of every gate.
        excused: Names of missed gates that do not keep it out.
        against: As `Registry.promote` asks.
    """
    held = [each for each in results if each.passed or each.name not in set(excused)]
    try:
        shelf.promote(version, held, summary=summary(results, excused), against=against)
    except PromotionRefused:
        return False
    return True
