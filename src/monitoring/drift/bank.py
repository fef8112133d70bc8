"""The charts that may raise an alarm, side by side, and the limits that simulation gives them.

False alarms are counted for the whole bank: each chart gets an equal share of the allowed rate (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.monitoring.drift.charts import Bernoulli, Cusum, Floats, Mewma
from src.monitoring.drift.space import Crowd, Features, Sample, Space
from src.monitoring.drift.traffic import Pool, stable_traffic

EMBEDDING = {"embedding_fast": 60.0, "embedding_slow": 250.0}
"""Photos that each chart of the content remembers."""
FAR, INPUTS = "far", "inputs"
CHARTS = (*EMBEDDING, FAR, INPUTS)
CONTENT = (*EMBEDDING, FAR)
"""Charts of what the photos show; `inputs` sees only their files."""
_INPUTS_MEMORY = 120.0
_FAR_ODDS = 4.0
_FAR_SHARE = 0.015
_BLOCK = 500
"""Photos whose largest value is one observation of the tail."""
_TAIL = 0.1
_PART = 0.5


@dataclass(frozen=True, slots=True)
class Simulation:
    """How limits are found.

    Attributes:
        photos_between_alarms: Stable photos for one false alarm of the whole bank.
        replicates: Parts of the reference that traffic is drawn from.
        streams: Streams side by side, in each replicate.
        photos: Length of each stream.
        burst: Mean number of photos that one shop sends in a row.
        mix: Range in which the share of AI-generated wanders.
        seed: Of all of it.
    """

    photos_between_alarms: float = 2_000_000.0
    replicates: int = 16
    streams: int = 48
    photos: int = 4_000
    burst: float = 2.0
    mix: tuple[float, float] = (0.3, 0.7)
    seed: int = 0


class Bank:
    """All charts over R streams."""

    def __init__(self, streams: int, space: Space) -> None:
        content, inputs = len(space.content.mean), len(space.inputs.mean)
        self._embedding = [Mewma(streams, content, memory) for memory in EMBEDDING.values()]
        self._far = Cusum(streams)
        self._far_model = Bernoulli(_FAR_SHARE, _FAR_ODDS)
        self._inputs = Mewma(streams, inputs, _INPUTS_MEMORY)

    def step(self, photos: Features) -> Floats:
        """Take one photo in each of R streams; returns values [charts, R] in the order of `CHARTS`."""
        return np.stack(
            [
                *(chart.step(photos.content) for chart in self._embedding),
                self._far.step(self._far_model.ratio(photos.far)),
                self._inputs.step(photos.inputs),
            ]
        )


def find_limits(
    space: Space, sample: Sample, crowd: Crowd, group: NDArray[np.generic], plan: Simulation
) -> dict[str, float]:
    """Simulate stable traffic and find the limit of each chart.

    A reference is a sample of the traffic it stands for, and charts of long memory see the difference. So
    each replicate's traffic is drawn from a part of the reference's groups (subsamples of clusters, McCarthy
    1969; Politis and Romano 1994). The mean over a part f of n photos is away from the mean over all of them
    by a variance of (1 - f) / (f n), and the endless traffic that the reference was drawn from is away by
    1 / n: halves say what to expect. In each replicate an exponential is fitted to the highest tenth of the
    maxima of blocks of photos and followed to the allowed rate; the largest replicate counts.

    Args:
        space: Learnt on the sample.
        sample: The reference's photos.
        crowd: Their labels and shops.
        group: [N]; photos of one group go together.
        plan: Of the simulation.

    Returns:
        Limit by chart.
    """
    rng = np.random.default_rng(plan.seed)
    _, number = np.unique(group, return_inverse=True)
    features = space.features(sample, own=True)
    found: list[Floats] = []
    while len(found) < plan.replicates:
        part = (rng.permutation(number.max() + 1) < _PART * (number.max() + 1))[number]
        pool = Pool(crowd.fake[part], crowd.source[part])
        found.append(_limits(simulate_maxima(pool, features[part], space, rng, plan), plan))
    return dict(zip(CHARTS, np.max(found, axis=0).tolist(), strict=True))


def simulate_maxima(
    pool: Pool, features: Features, space: Space, rng: np.random.Generator, plan: Simulation
) -> Floats:
    """Largest values of each chart in blocks of photos of stable traffic, float64 [charts, blocks]."""
    bank = Bank(plan.streams, space)
    blocks = []
    highest = np.zeros((len(CHARTS), plan.streams))
    traffic = stable_traffic(
        pool, rng, streams=plan.streams, photos=plan.photos, burst=plan.burst, mix=plan.mix
    )
    for turn, index in enumerate(traffic, start=1):
        np.maximum(highest, bank.step(features[index]), out=highest)
        if turn % _BLOCK == 0:
            if turn > _BLOCK:  # the first block begins with empty memories
                blocks.append(highest)
            highest = np.zeros_like(highest)
    return np.concatenate(blocks, axis=1)


def _limits(maxima: Floats, plan: Simulation) -> Floats:
    arl = plan.photos_between_alarms * len(CHARTS)
    start = np.quantile(maxima, 1 - _TAIL, axis=1)
    excess = [
        row[row > low].mean() - low if (row > low).any() else 0.0
        for row, low in zip(maxima, start, strict=True)
    ]
    limits: Floats = start + np.array(excess) * np.log(_TAIL * arl / _BLOCK)
    return limits
