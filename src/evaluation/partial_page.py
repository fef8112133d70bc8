"""The measurement of partly generated photos: the contents of `partial.json`, and its page."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from src.evaluation.bootstrap import Figure
from src.evaluation.robustness_sample import Sample
from src.evaluation.tables import interval, number, table
from src.evaluation.wording import made

COMMAND = "python -m src.evaluation.partial"
_NOTHING = Figure(value=None)

Fill = Literal["none", "autoencoder", "paste"]
_TITLES: dict[Fill, str] = {
    "none": "untouched",
    "autoencoder": "through an autoencoder",
    "paste": "from an AI-generated picture",
}


class PartRow(BaseModel):
    """Photos with a part of one kind and size.

    Attributes:
        fill: What the part shows.
        share: Of the area; 1 for the whole picture.
        found: Share of photos called AI-generated; for `none` these are false accusations.
        probability: Mean.
        peak: Share of heatmaps whose highest cell lies in the part.
        area: Mean share of cells in the part: what `peak` and `mass` would be by chance.
        mass: Mean share of the heat in the part.
        ranking: Mean AUROC of the cells, inside against outside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fill: Fill
    share: float
    found: Figure
    probability: Figure
    peak: Figure = _NOTHING
    area: Figure = _NOTHING
    mass: Figure = _NOTHING
    ranking: Figure = _NOTHING


class Partial(BaseModel):
    """The whole measurement."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: Sample
    policy: str
    side: int
    quality: int
    rows: list[PartRow]


def render(found: Partial) -> str:
    """The page; the same figures give the same text."""
    header = (
        "part",
        "share of the area",
        "called AI-generated",
        "mean probability",
        "heatmap's peak in the part",
        "heat in the part",
        "both by chance",
        "cells inside against outside, AUROC",
    )
    rows = [
        (
            _TITLES[row.fill],
            "–" if row.fill == "none" else f"{row.share:.0%}",
            interval(row.found, 2),
            number(row.probability.value, 2),
            interval(row.peak, 2),
            number(row.mass.value, 2),
            number(row.area.value, 2),
            interval(row.ranking, 2),
        )
        for row in found.rows
    ]
    return (
        f"# Partly generated photos\n\n{found.sample.words} Policy `{found.policy}`. Each real photo, at "
        f"most {found.side} px, has a soft-edged ellipse where the product is that went through a "
        "generator's latent autoencoder, or that shows an AI-generated picture; every picture, the untouched "
        f"ones too, is then saved as JPEG {found.quality}. `100%` is the autoencoder's copy of the whole "
        "photo, or the AI-generated picture itself. In brackets: 95 % intervals over "
        f"shops.\n\n{table(header, rows)}\n\n{_words(found)}{made(COMMAND)}\n"
    )


def _words(found: Partial) -> str:
    """What the figures say, in their own numbers."""
    base = next(row.found.value for row in found.rows if row.fill == "none")
    parts = []
    for fill in ("autoencoder", "paste"):
        rows = [row for row in found.rows if row.fill == fill and row.share < 1]
        if rows:
            small, large = rows[0], rows[-1]
            parts.append(
                f"a part {_TITLES[fill]} is found in {number(small.found.value, 2)} of the photos at "
                f"{small.share:.0%} of the area and in {number(large.found.value, 2)} at {large.share:.0%}"
            )
    return f"Untouched, {number(base, 2)} of these photos are accused; {'; '.join(parts)}.\n\n"
