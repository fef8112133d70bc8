"""Figures by slice: generator, family, source, category; real photos by style, size, compression, product.

A mean hides whom a detector fails; slices below a minimum count are left out, because their figures are
noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from src.evaluation.bootstrap import Figure, intervals
from src.evaluation.capture import BANDS, Capture
from src.evaluation.crossfit import Applied
from src.evaluation.metrics import BoolArray, FloatArray, decision_metrics, ranking_metrics

Axis = Literal["style", "family", "category", "generator", "source", "resolution", "compression", "product"]
SliceLabel = Literal["real", "ai_generated", "both"]

PROXIES: tuple[Axis, ...] = ("resolution", "compression", "product")
"""Of real photos alone: stand-ins for who sells, as people, countries and cameras are not known."""
AXES: tuple[Axis, ...] = ("style", "family", "category", "generator", "source", *PROXIES)
MIN_PHOTOS = 15
# Axes with many values get no interval for their AUROC: their right-or-wrong share has one already.
_AUROC_INTERVALS = frozenset(("style", "family", "category", *PROXIES))


class SliceRow(BaseModel):
    """One slice.

    Attributes:
        axis: What it is sliced by.
        name: The value.
        label: Of its photos.
        photos: Number of photos.
        sources: Number of sources they come from.
        right: Policy -> share judged rightly: specificity for real photos, recall for AI-generated ones,
        balanced
            accuracy for a slice of both.
        auroc: Of the slice's photos against all photos of the other label (within the slice when it has
        both).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    axis: Axis
    name: str
    label: SliceLabel
    photos: int
    sources: int
    right: dict[str, Figure]
    auroc: Figure


def make_slices(
    applied: Applied,
    axes: Sequence[Axis] = AXES,
    min_photos: int = MIN_PHOTOS,
    *,
    replicates: int = 1000,
    captures: Mapping[str, Capture] | None = None,
) -> list[SliceRow]:
    """Slice one tier of one data set; rows in the order of the axes, then by band or name.

    Args:
        applied: The judged tier.
        axes: What to slice by.
        min_photos: Smaller slices are left out.
        replicates: Bootstrap draws of every interval.
        captures: Photo id -> its original, for the bands of size and compression; a photo without is in none.
    """
    rows = []
    for axis in axes:
        values = axis_values(applied, axis, captures or {})
        for name in sorted(np.unique(values).tolist(), key=_place):
            mask = values == name
            if name and np.count_nonzero(mask) >= min_photos:
                rows.append(_slice(applied, axis, name, mask, replicates=replicates))
    return rows


def _place(name: str) -> tuple[int, str]:
    return (BANDS.index(name) if name in BANDS else len(BANDS)), name


def axis_values(applied: Applied, axis: Axis, captures: Mapping[str, Capture]) -> NDArray[np.str_]:
    """The value of every row; "" where the axis does not apply (a fake's style, a photo's family)."""
    table = applied.table
    if axis == "product":
        return np.where(table.fake, "", table.category)
    if axis in ("resolution", "compression"):
        found = (captures.get(photo_id) for photo_id in table.photo_id.tolist())
        bands = ["" if each is None else str(getattr(each, axis)) for each in found]
        return np.where(table.fake, "", np.array(bands))
    values: NDArray[np.str_] = getattr(table, axis)
    if axis == "style":
        return np.where(table.fake, "", values)
    if axis in ("family", "generator"):
        return np.where(table.fake, values, "")
    return values


def _slice(applied: Applied, axis: Axis, name: str, mask: BoolArray, *, replicates: int) -> SliceRow:
    table = applied.table
    inside = applied.where(mask)
    kinds = np.unique(inside.table.fake)
    label: SliceLabel = "both" if len(kinds) > 1 else ("ai_generated" if kinds[0] else "real")
    metric = {"both": "balanced_accuracy", "ai_generated": "recall", "real": "specificity"}[label]
    right = {
        policy: _share_right(inside, policy, metric, replicates=replicates) for policy in applied.decided
    }
    against = mask if label == "both" else mask | (table.fake != bool(kinds[0]))
    return SliceRow(
        axis=axis,
        name=name,
        label=label,
        photos=len(inside.table),
        sources=len(np.unique(inside.table.source)),
        right=right,
        auroc=_auroc(applied, against, replicates if axis in _AUROC_INTERVALS else 0),
    )


def _share_right(inside: Applied, policy: str, metric: str, *, replicates: int) -> Figure:
    fake, decided = inside.table.fake, inside.decided[policy]

    def share(weights: FloatArray) -> dict[str, FloatArray]:
        return {metric: decision_metrics(fake, decided, weights)[metric]}

    return intervals(share, inside.table.source, fake, replicates=replicates)[metric]


def _auroc(applied: Applied, mask: BoolArray, replicates: int) -> Figure:
    table = applied.table.where(mask)

    def area(weights: FloatArray) -> dict[str, FloatArray]:
        return {"auroc": ranking_metrics(table.fake, table.logit, weights)["auroc"]}

    return intervals(area, table.source, table.fake, replicates=replicates)["auroc"]
