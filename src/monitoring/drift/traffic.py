"""Simulated traffic drawn from known photos: one shop sends several in a row, the mix of labels wanders."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]
_SHUFFLE = 50
"""Photos after which the order within shops is drawn anew."""


class Pool:
    """Photos that traffic is drawn from, by label and shop.

    Args:
        fake: bool [N].
        source: [N], the shop of each photo, as integers or text.
    """

    def __init__(self, fake: NDArray[np.bool_], source: NDArray[np.generic]) -> None:
        _, shop = np.unique(source, return_inverse=True)
        _, block, count = np.unique(shop * 2 + fake, return_inverse=True, return_counts=True)
        self.size = len(fake)
        self._block = block
        self.count: Index = count
        self.start: Index = np.concatenate([[0], np.cumsum(count)[:-1]])
        self._fake = fake[np.argsort(block, kind="stable")[self.start]]
        self.labels = tuple(side for side in (False, True) if (self._fake == side).any())

    def blocks(self, rng: np.random.Generator, fake: NDArray[np.bool_]) -> Index:
        """A block (shop and label) for each of R streams, large shops as often as they have photos."""
        chosen = np.empty(len(fake), np.int64)
        for side in (False, True):
            wanted = fake == side if side in self.labels else np.zeros(len(fake), bool)
            if not wanted.any():
                continue
            mine = np.flatnonzero(self._fake == side)
            edges = np.cumsum(self.count[mine])
            chosen[wanted] = mine[np.searchsorted(edges, rng.integers(0, edges[-1], wanted.sum()), "right")]
        return chosen

    def order(self, rng: np.random.Generator) -> Index:
        """The N photos block by block, shuffled within each: a burst walks along it and repeats nothing."""
        shuffled = rng.permutation(self.size)
        found: Index = shuffled[np.argsort(self._block[shuffled], kind="stable")]
        return found


def stable_traffic(
    pool: Pool,
    rng: np.random.Generator,
    *,
    streams: int,
    photos: int,
    burst: float,
    mix: tuple[float, float] = (0.3, 0.7),
    mix_lasts: float = 4000.0,
) -> Iterator[Index]:
    """Draw R streams side by side.

    Args:
        pool: Where photos are drawn from, with replacement.
        rng: Of the draw.
        streams: R.
        photos: Length of each stream.
        burst: Mean number of photos that one shop sends in a row; a shop with fewer sends what it has.
        mix: Range of the share of AI-generated; a new share is drawn from it now and then.
        mix_lasts: Mean number of photos between two changes of the mix.

    Yields:
        Indices into the pool, int64 [R], one photo of each stream at a time.
    """
    fixed = None if len(pool.labels) == 2 else float(pool.labels[0])
    share = rng.uniform(*mix, streams) if fixed is None else np.full(streams, fixed)
    place = left = np.zeros(streams, np.int64)
    order = pool.order(rng)
    for turn in range(photos):
        if turn % _SHUFFLE == 0:
            order = pool.order(rng)
        if fixed is None:
            moved = rng.random(streams) < 1.0 / mix_lasts
            share = np.where(moved, rng.uniform(*mix, streams), share)
        fresh = left == 0
        if fresh.any():
            block = pool.blocks(rng, rng.random(fresh.sum()) < share[fresh])
            length = np.minimum(rng.geometric(1.0 / burst, len(block)), pool.count[block])
            offset = (rng.random(len(block)) * (pool.count[block] - length + 1)).astype(np.int64)
            place, left = place.copy(), left.copy()
            place[fresh], left[fresh] = pool.start[block] + offset, length
        yield order[place]
        place, left = place + 1, left - 1
