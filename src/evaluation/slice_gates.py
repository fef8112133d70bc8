"""Gates of slices: nobody is judged badly, nor worse than by the champion, to make the mean better."""

from __future__ import annotations

import math
from collections.abc import Iterator

from src.evaluation.figures import Dataset, Report
from src.evaluation.gate_limits import GateLimits
from src.evaluation.gate_results import GateResult, at_least, not_held
from src.evaluation.slices import PROXIES, SliceRow

_POLICY = "balanced"
_AXES = ("family", "style", "generator")
_DATASETS: tuple[Dataset, ...] = ("test", "unseen", "heldout")
_WITH_REAL_PHOTOS: tuple[Dataset, ...] = ("test", "unseen")


def hold_slices(candidate: Report, champion: Report | None, limits: GateLimits) -> Iterator[GateResult]:
    """Generator families and styles of real photos, by floor and against the champion on the same photos."""
    for dataset in candidate.datasets:
        for row in candidate.slice_rows(dataset, "clean", "style"):
            name = f"specificity of {row.name}, {dataset}"
            yield at_least(name, _right(row), limits.min_style_specificity)
    if champion is None:
        return
    for dataset in _DATASETS:
        for axis in _AXES:
            if axis == "generator" and dataset != "heldout":
                continue  # the family holds them; single generators of known shops are a handful of photos
            mine = _rows(candidate, dataset, axis)
            for old in champion.slice_rows(dataset, "clean", axis):
                name = f"{axis} {old.name}, {dataset}, against champion"
                yield from _against(name, old, mine, limits.slice_margin, limits.slice_errors)


def hold_proxies(candidate: Report, champion: Report | None, limits: GateLimits) -> Iterator[GateResult]:
    """Real photos by size, compression and product, as stand-ins for who sells.

    Where the champion's own share is below the floor, it is the limit: such a slice need not be mended
    before anything else may be, yet it may not get worse. An axis that the champion's report lacks (an older
    one) cannot be compared, and one that neither report has cannot be held; both are told and refuse nobody.
    What the champion's report has, the candidate's must have, too.
    """
    for dataset in _WITH_REAL_PHOTOS:
        for axis in PROXIES:
            mine = _rows(candidate, dataset, axis)
            theirs = {} if champion is None else _rows(champion, dataset, axis)
            if not mine and not theirs:
                yield not_held(f"{axis}, {dataset}", limits.min_proxy_specificity)
            elif champion is not None and not theirs:
                yield not_held(f"{axis}, {dataset}, against champion", limits.min_proxy_specificity)
            for row in mine.values():
                if row.photos >= limits.min_proxy_photos:
                    name = f"specificity of {axis} {row.name}, {dataset}"
                    yield at_least(name, _right(row), _floor(theirs.get(row.name), limits))
            for old in theirs.values():
                if old.photos >= limits.min_proxy_photos:
                    name = f"{axis} {old.name}, {dataset}, against champion"
                    yield from _against(name, old, mine, limits.slice_margin, limits.proxy_errors)


def _floor(old: SliceRow | None, limits: GateLimits) -> float:
    before = None if old is None else _right(old)
    return limits.min_proxy_specificity if before is None else min(limits.min_proxy_specificity, before)


def _against(
    name: str, old: SliceRow, mine: dict[str, SliceRow], margin: float, errors: float
) -> Iterator[GateResult]:
    before = _right(old)
    if before is not None:
        noise = math.sqrt(before * (1.0 - before) / old.photos) * errors
        found = _right(mine[old.name]) if old.name in mine else None
        yield at_least(name, found, before - margin - noise)


def _rows(report: Report, dataset: Dataset, axis: str) -> dict[str, SliceRow]:
    return {row.name: row for row in report.slice_rows(dataset, "clean", axis)}


def _right(row: SliceRow) -> float | None:
    figure = row.right.get(_POLICY)
    return None if figure is None else figure.value
