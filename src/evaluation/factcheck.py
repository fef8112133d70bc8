"""Does the network's logit follow a fact of the file? Spearman correlations within each label.

Within a label, because across labels every fact that tells them apart correlates with any good detector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.stats import rankdata

from src.data.manifest import Label
from src.evaluation.bootstrap import Figure, source_counts
from src.evaluation.metrics import BoolArray, FloatArray

MAX_SPEARMAN = 0.25
MIN_PHOTOS = 30
# A fact that all but a handful of photos share says nothing on the network.
MIN_VARYING = 10
_REPLICATES = 500


class FactRow(BaseModel):
    """How far the logit follows one fact within one label.

    Attributes:
        fact: Name of the fact.
        label: Within which label.
        photos: Number of photos that have the fact.
        spearman: Rank correlation over all of them, with its interval over sources.
        within_source: The same after the mean rank of each source is taken away: what is left when shops as
        such
            (their cameras, their subjects) can no longer explain it. None where every shop has one value
            only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fact: str
    label: Label
    photos: int
    spearman: Figure
    within_source: float | None


def check_facts(
    logit: FloatArray, fake: BoolArray, source: NDArray[np.str_], facts: Sequence[Mapping[str, float]]
) -> list[FactRow]:
    """Correlate the logit of N photos with every fact of their files.

    Args:
        logit: float [N].
        fake: bool [N].
        source: The shop of each photo.
        facts: For each photo its facts as numbers; NaN where its format has no such fact.

    Returns:
        Rows by fact and label; facts that hardly vary within a label are left out.
    """
    rows: list[FactRow] = []
    for name in facts[0] if facts else ():
        values = np.array([each[name] for each in facts], dtype=np.float64)
        for is_fake, label in ((False, "real"), (True, "ai_generated")):
            mask = (fake == is_fake) & np.isfinite(values)
            if np.count_nonzero(mask) >= MIN_PHOTOS and _varies(values[mask]):
                row = _correlate(logit[mask], values[mask], source[mask])
                rows.append(
                    FactRow(
                        fact=name,
                        label="ai_generated" if label == "ai_generated" else "real",
                        photos=int(np.count_nonzero(mask)),
                        spearman=row[0],
                        within_source=row[1],
                    )
                )
    return rows


def worst(rows: Sequence[FactRow]) -> FactRow | None:
    """The row with the strongest correlation."""
    return max(rows, key=lambda row: abs(row.spearman.value or 0.0), default=None)


def _varies(values: FloatArray) -> bool:
    _, counts = np.unique(values, return_counts=True)
    return len(values) - int(counts.max()) >= MIN_VARYING


def _correlate(
    logit: FloatArray, values: FloatArray, source: NDArray[np.str_]
) -> tuple[Figure, float | None]:
    ranks_x, ranks_y = rankdata(logit), rankdata(values)
    value = float(_pearson(ranks_x, ranks_y, np.ones((1, len(logit))))[0])
    _, index = np.unique(source, return_inverse=True)
    within = _pearson(_centred(ranks_x, index), _centred(ranks_y, index), np.ones((1, len(logit))))[0]
    figure = Figure(value=value)
    if index.max() > 0:
        index, counts = source_counts(source, np.zeros(len(source), dtype=bool), _REPLICATES, seed=17)
        # Ranks are kept from the whole sample: a replicate only weighs its photos anew.
        drawn = _pearson(ranks_x, ranks_y, counts[:, index])
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        figure = Figure(value=value, low=float(low), high=float(high))
    return figure, float(within) if np.isfinite(within) else None


def _pearson(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted correlation [B] of x and y [N] under weights [B, N]; NaN where one is constant."""
    total = weights.sum(axis=1)
    mean_x, mean_y = weights @ x / total, weights @ y / total
    covariance = weights @ (x * y) / total - mean_x * mean_y
    spread = (weights @ (x * x) / total - mean_x**2) * (weights @ (y * y) / total - mean_y**2)
    # Squared ranks are large: what is left of a constant after cancellation is rounding, not spread.
    usable = spread > 1e-9 * np.square(np.var(x) + np.var(y) + 1.0)
    result: FloatArray = np.divide(
        covariance, np.sqrt(np.maximum(spread, 0.0)), out=np.full(len(total), np.nan), where=usable
    )
    return result


def _centred(values: FloatArray, index: NDArray[np.int64]) -> FloatArray:
    means = np.bincount(index, weights=values) / np.bincount(index)
    centred: FloatArray = values - means[index]
    return centred
