"""Confidence intervals by drawing whole sources, since photos of one shop are alike and no independent units.

Percentile intervals of the cluster bootstrap (Efron & Tibshirani 1993; Field & Welsh 2007), stratified by
label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from src.evaluation.metrics import BoolArray, FloatArray, Verdicts, all_metrics

REPLICATES = 1000
SEED = 17
LEVEL = 0.95
_CHUNK = 200  # rows of weights held at once: 200 x 6,322 photos are 10 MB

MetricFunction = Callable[[FloatArray], dict[str, FloatArray]]


class Figure(BaseModel):
    """One figure with its 95 % interval; `None` where undefined (a class or a second shop is missing)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float | None
    low: float | None = None
    high: float | None = None


def source_counts(
    source: NDArray[np.str_], fake: BoolArray, replicates: int, seed: int
) -> tuple[NDArray[np.int64], FloatArray]:
    """Draw sources with replacement within the shops of real photos and within those of AI pictures.

    A source with both labels belongs to the stratum of its majority and is drawn as a whole.

    Returns:
        index: int [N], the source of each photo.
        counts: float [replicates, S], how often each source was drawn.
    """
    _, index = np.unique(source, return_inverse=True)
    size = np.bincount(index)
    majority = np.bincount(index, weights=fake) * 2 > size
    rng = np.random.default_rng(seed)
    counts = np.zeros((replicates, len(size)))
    for stratum in (False, True):
        members = np.flatnonzero(majority == stratum)
        if len(members):
            share = np.full(len(members), 1 / len(members))
            counts[:, members] = rng.multinomial(len(members), share, size=replicates)
    return index, counts


def can_resample(source: NDArray[np.str_], fake: BoolArray) -> bool:
    """Whether each label that occurs comes from two sources or more; else an interval would be empty."""
    return len(fake) > 0 and all(len(np.unique(source[fake == label])) > 1 for label in np.unique(fake))


def intervals(
    metrics: MetricFunction,
    source: NDArray[np.str_],
    fake: BoolArray,
    *,
    base: FloatArray | None = None,
    replicates: int = REPLICATES,
    seed: int = SEED,
) -> dict[str, Figure]:
    """Point figures and 95 % percentile intervals of whatever `metrics` computes from weights [B, N].

    Args:
        metrics: Takes weights [B, N], gives figures [B] by name.
        source: The shop of each of N photos.
        fake: The label of each.
        base: Weights [N] of the point figure; every photo counts once without them.
        replicates: Number of bootstrap draws; 0 gives point figures alone.
        seed: Of the draws.
    """
    base = np.ones(len(fake)) if base is None else base
    point = {name: float(value[0]) for name, value in metrics(base[None]).items()}
    if replicates == 0 or not can_resample(source, fake):
        return {name: _figure(value) for name, value in point.items()}
    drawn: dict[str, list[FloatArray]] = {name: [] for name in point}
    for weights in _chunks(source, fake, base, replicates, seed):
        for name, values in metrics(weights).items():
            drawn[name].append(values)
    return {name: _figure(value, np.concatenate(drawn[name])) for name, value in point.items()}


def verdict_intervals(
    verdicts: Verdicts,
    source: NDArray[np.str_],
    *,
    base: FloatArray | None = None,
    replicates: int = REPLICATES,
    seed: int = SEED,
) -> dict[str, Figure]:
    """`intervals` of every metric of `verdicts`."""
    return intervals(
        lambda weights: all_metrics(verdicts, weights),
        source,
        verdicts.fake,
        base=base,
        replicates=replicates,
        seed=seed,
    )


def even_shops(source: NDArray[np.str_], fake: BoolArray) -> FloatArray:
    """Weights [N] under which each shop counts once for each label that it has."""
    keys = np.char.add(source.astype(np.str_), np.where(fake, "|1", "|0"))
    _, index, size = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / size[index], dtype=np.float64)


def _chunks(
    source: NDArray[np.str_], fake: BoolArray, base: FloatArray, replicates: int, seed: int
) -> Iterator[FloatArray]:
    index, counts = source_counts(source, fake, replicates, seed)
    for start in range(0, replicates, _CHUNK):
        yield counts[start : start + _CHUNK, index] * base


def _figure(value: float, drawn: FloatArray | None = None) -> Figure:
    if not np.isfinite(value):
        return Figure(value=None)
    if drawn is None:
        return Figure(value=value)
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return Figure(value=value, low=float(low), high=float(high))
