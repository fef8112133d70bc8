"""Two-sample statistics and intervals on plain arrays; nothing here knows of photos."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_LEAST_SHARE = 1e-3
"""An empty bin counts as this share: PSI would be infinite for one photo that falls where none was."""


class Interval(NamedTuple):
    """A share with its interval."""

    value: float
    low: float
    high: float


def ks_distance(sample: Floats, reference: Floats) -> float:
    """Largest distance of two distribution functions (Kolmogorov 1933, Smirnov 1948), 0 to 1."""
    points = np.concatenate([sample, reference])
    first = np.searchsorted(np.sort(sample), points, side="right") / len(sample)
    second = np.searchsorted(np.sort(reference), points, side="right") / len(reference)
    return float(np.abs(first - second).max())


def ks_p_value(distance: float, n: int, m: int) -> float:
    """Asymptotic p-value of a KS distance of samples of n and m, with Stephens' (1970) correction."""
    size = math.sqrt(n * m / (n + m))
    x = (size + 0.12 + 0.11 / size) * distance
    if x < 0.2:  # the series converges slowly there, and its value is 1 in all digits
        return 1.0
    total = 2.0 * sum((1.0 if k % 2 else -1.0) * math.exp(-2.0 * (k * x) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, total))


def psi(shares: Floats, reference: Floats) -> float:
    """Population stability index of two vectors of shares (Siddiqi 2006): 0.1 is small, 0.25 large."""
    first = np.maximum(shares, _LEAST_SHARE)
    second = np.maximum(reference, _LEAST_SHARE)
    first, second = first / first.sum(), second / second.sum()
    return float(np.sum((first - second) * np.log(first / second)))


def psi_of_values(sample: Floats, reference: Floats, bins: int = 10) -> float:
    """PSI over the reference's quantiles; a value that is missing (NaN) has a bin of its own."""
    known = reference[np.isfinite(reference)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.zeros(0)

    def shares(values: Floats) -> Floats:
        finite = values[np.isfinite(values)]
        counts = np.bincount(np.searchsorted(edges, finite, side="right"), minlength=len(edges) + 1)
        return np.append(counts, len(values) - len(finite)) / len(values)

    return psi(shares(sample), shares(reference))


def wilson(hits: int, trials: int, z: float = 1.96) -> Interval:
    """A share with its score interval (Wilson 1927); (0, 0, 1) of nothing."""
    if trials == 0:
        return Interval(0.0, 0.0, 1.0)
    share, extra = hits / trials, z * z / trials
    centre = (share + extra / 2) / (1 + extra)
    half = z / (1 + extra) * math.sqrt(share * (1 - share) / trials + extra / (4 * trials))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def binomial_p_value(hits: int, trials: int, usual: float) -> float:
    """Two-sided p-value of a share, by the normal approximation with continuity correction."""
    deviation = math.sqrt(trials * usual * (1 - usual))
    if deviation == 0.0:
        return 1.0 if hits == round(trials * usual) else 0.0
    distance = max(0.0, abs(hits - trials * usual) - 0.5)
    return math.erfc(distance / deviation / math.sqrt(2))


def poisson_binomial_tail(hits: int, chances: Floats) -> float:
    """Probability of `hits` or more events whose chances [N] differ; exact, by convolution."""
    mass = np.ones(1)
    for chance in chances:
        mass = np.convolve(mass, (1.0 - chance, chance))
    return float(min(1.0, mass[hits:].sum()))


class FourierFeatures:
    """Random Fourier features of a Gaussian kernel (Rahimi and Recht 2007).

    Args:
        dimension: Of the vectors.
        bandwidth: Of the kernel.
        features: Number of features, even.
        seed: Of the random directions.
    """

    def __init__(self, dimension: int, bandwidth: float, features: int = 256, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._directions = rng.standard_normal((dimension, features // 2)) / bandwidth

    def __call__(self, vectors: Floats) -> Floats:
        """Map [N, D] to [N, features]; inner products approximate the kernel."""
        angles = vectors @ self._directions
        return np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / math.sqrt(angles.shape[1])


def mmd_squared(sample: Floats, reference: Floats) -> float:
    """Unbiased squared maximum mean discrepancy of two sets of features (Gretton et al. 2012).

    Args:
        sample: [N, F] of `FourierFeatures`, N >= 2.
        reference: [M, F], M >= 2.
    """

    def within(rows: Floats) -> float:
        total = rows.sum(axis=0)
        n = len(rows)
        return float((total @ total - np.sum(rows * rows)) / (n * (n - 1)))

    cross = float(sample.mean(axis=0) @ reference.mean(axis=0))
    return within(sample) + within(reference) - 2.0 * cross


def nearest_distance(vectors: Floats, others: Floats, k: int, *, own: bool = False) -> Floats:
    """Mean distance to the k nearest of `others` [M, D] for each of `vectors` [N, D].

    Args:
        vectors: Whose neighbours are looked for.
        others: Among whom.
        k: How many neighbours.
        own: The two are the same set: nobody is a neighbour of himself.
    """
    squares = (
        np.sum(vectors**2, axis=1)[:, None] + np.sum(others**2, axis=1)[None, :] - 2.0 * vectors @ others.T
    )
    if own:
        np.fill_diagonal(squares, np.inf)
    k = min(k, squares.shape[1] - own)
    nearest = np.partition(squares, k - 1, axis=1)[:, :k]
    found: Floats = np.sqrt(np.maximum(nearest, 0.0)).mean(axis=1)
    return found
