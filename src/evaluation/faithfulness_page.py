"""The report on the heatmap's faithfulness, and the same as a Markdown page."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from src.evaluation.bootstrap import Figure

Test = Literal["deletion", "insertion"]
Order = Literal["map", "random", "centre"]
TESTS: tuple[Test, ...] = get_args(Test)
ORDERS: tuple[Order, ...] = get_args(Order)
FRACTIONS = (0.0, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Share of the cells that is covered or shown; the top of the map is where orders differ."""


class Curve(BaseModel):
    """One order under one test.

    Attributes:
        test: `deletion` covers cells, `insertion` shows them.
        order: Which cells come first.
        photos: Photos of the right verdict.
        values: Mean probability of the photo's own verdict along `FRACTIONS`.
        area: Mean area under the photos' curves.
        map_ahead: By how much the map's area is better than this one, on the same photos; None for the map.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    test: Test
    order: Order
    photos: int
    values: list[float]
    area: Figure
    map_ahead: Figure | None


class FaithfulnessReport(BaseModel):
    """How far the heatmap points to what the verdict rests on.

    Attributes:
        select: Which photos.
        halves: Pictures of which half is fake.
        more_on_fake_half: Share of them in which more than half of the map's mass lies on the fake half.
        mass_on_fake_half: Mean share of the map's mass on the fake half.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_version: str
    network: str
    select: str
    curves: list[Curve]
    halves: int
    more_on_fake_half: Figure
    mass_on_fake_half: Figure


_LEAD = """# Does the heatmap point to what the verdict rests on?

Made by `python -m src.evaluation.faithfulness` with the model {version} on photos of `{select}`, half of them
real, spread over shops. Intervals are of 95 %, over shops.

## Covering and showing

Cells of the map are covered by a strong blur (deletion), or shown on the blurred photo (insertion), first
those where the map sees most evidence for the photo's own verdict; against a random order, and one from the
centre outwards. The value is the probability of that verdict; {photos} photos whose verdict was right. After
Petsiuk et al. (2018), RISE.

| test | order | {fractions} | area | the map is better by |
|---|---|{rules}---|---|
"""
_HALVES = """
## Pictures of which half is fake

A real and an AI-generated picture, joined at a seam and saved once as a whole; {halves} pictures.

| figure | share | by chance |
|---|---|---|
| pictures with more of the map's mass on the fake half | {points} | 50 % |
| mass of the map on the fake half | {mass} | 50 % |
"""


def page(report: FaithfulnessReport) -> str:
    """Write the page."""
    lead = _LEAD.format(
        version=report.model_version,
        select=report.select,
        photos=max(curve.photos for curve in report.curves),
        fractions=" | ".join(f"{100 * each:g} %" for each in FRACTIONS),
        rules="---|" * len(FRACTIONS),
    )
    halves = _HALVES.format(
        halves=report.halves, points=_share(report.more_on_fake_half), mass=_share(report.mass_on_fake_half)
    )
    return lead + "".join(map(_row, report.curves)) + _verdict(report) + halves


def _row(curve: Curve) -> str:
    values = " | ".join(f"{value:.3f}" for value in curve.values)
    ahead = "" if curve.map_ahead is None else _number(curve.map_ahead)
    return f"| {curve.test} | {curve.order} | {values} | {_number(curve.area)} | {ahead} |\n"


def _verdict(report: FaithfulnessReport) -> str:
    """Say against which orders the map is better beyond doubt, and against which it is not."""
    sure = [
        f"{curve.test} against {curve.order}"
        for curve in report.curves
        if curve.map_ahead is not None and curve.map_ahead.low is not None and curve.map_ahead.low > 0
    ]
    others = [
        f"{curve.test} against {curve.order}"
        for curve in report.curves
        if curve.map_ahead is not None and f"{curve.test} against {curve.order}" not in sure
    ]
    told = f"\nBetter beyond doubt (the whole interval above 0): {', '.join(sure) or 'nowhere'}."
    return f"{told} Not shown to be better: {', '.join(others) or 'nowhere'}.\n"


def _number(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "none" if figure.value is None else f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _share(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "none" if figure.value is None else f"{100 * figure.value:.1f} %"
    return f"{100 * figure.value:.1f} % ({100 * figure.low:.1f} to {100 * figure.high:.1f})"
