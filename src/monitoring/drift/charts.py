"""Sequential charts: one value a photo, R streams side by side; simulation and service share the code.

A chart sees each photo once and keeps a few numbers, whatever the length of the traffic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Mewma:
    """Multivariate EWMA (Lowry, Woodall, Champ and Rigdon 1992) of whitened features.

    The value is n_eff * |mean|^2 with n_eff = (2 - a) / a: chi-square with F degrees of freedom for
    independent photos.

    Args:
        streams: R, streams side by side.
        features: F, features of a photo.
        memory: Photos that the memory reaches back, 1 / a.
    """

    def __init__(self, streams: int, features: int, memory: float) -> None:
        self._weight = 1.0 / memory
        self._scale = (2.0 - self._weight) / self._weight
        self._mean = np.zeros((streams, features))

    def step(self, features: Floats) -> Floats:
        """Take one photo in each stream, float64 [R, F]; returns the chart's value, float64 [R]."""
        self._mean += self._weight * (features - self._mean)
        value: Floats = self._scale * np.einsum("rf,rf->r", self._mean, self._mean)
        return value


class Cusum:
    """Page's CUSUM of log-likelihood ratios (Page 1954): max(0, S + ratio), back to 0 while all is well."""

    def __init__(self, streams: int) -> None:
        self._sum = np.zeros(streams)

    def step(self, ratio: Floats) -> Floats:
        """Take one photo's log-likelihood ratio in each stream, float64 [R]; returns the sums [R]."""
        self._sum = np.maximum(0.0, self._sum + ratio)
        return self._sum.copy()


@dataclass(frozen=True, slots=True)
class Bernoulli:
    """Log-likelihood ratio of "this event has become more frequent" for yes-or-no events.

    Attributes:
        usual: Its probability in stable traffic; a scalar or an array, one for each event.
        odds: How many times larger the odds are that shall be found (Steiner et al. 2000: with a probability
            of its own for each event this is the risk-adjusted CUSUM).
    """

    usual: float | Floats
    odds: float

    def ratio(self, event: NDArray[np.bool_]) -> Floats:
        """Log-likelihood ratios, float64, shaped as `event`."""
        # With odds R p / (1 - p), both densities share the denominator 1 - p + R p.
        base = -np.log1p(np.asarray(self.usual, np.float64) * (self.odds - 1.0))
        found: Floats = base + np.where(event, np.log(self.odds), 0.0)
        return found
