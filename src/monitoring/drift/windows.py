"""Figures of the latest photos beside the reference: they say what moved, once a chart says that it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from src.monitoring.drift.observed import Observed
from src.monitoring.drift.reference import Reference
from src.monitoring.drift.schema import Share, WindowState
from src.monitoring.drift.statistics import (
    Floats,
    FourierFeatures,
    binomial_p_value,
    ks_distance,
    ks_p_value,
    mmd_squared,
    psi,
    psi_of_values,
    wilson,
)

_LEAST = 10
"""Photos of one verdict below which they are not compared."""
_INPUTS = ("long_side", "quality", "bytes")


class WindowReader:
    """Compares windows with one reference; what the reference needs for it is computed once."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._fake = reference.logit >= reference.facts.cut

    def read(self, photos: Sequence[Observed]) -> WindowState:
        """Compare one window of photos, at least one."""
        n = len(photos)
        fake = np.array([photo.fake for photo in photos])
        logit = np.array([photo.logit for photo in photos])
        ks, ks_p = self._ks(logit, fake)
        judged = int(fake.sum())
        review = sum(photo.review for photo in photos)
        sources = Counter(photo.source for photo in photos if photo.source is not None)
        return WindowState(
            photos=n,
            logit_ks=ks,
            logit_ks_p=ks_p,
            logit_psi=psi_of_values(logit, self._reference.logit.astype(np.float64)),
            embedding_mmd=self._mmd(np.stack([photo.reduced for photo in photos]), fake),
            far=_share(sum(photo.far for photo in photos), n),
            judged_fake=_share(judged, n),
            judged_fake_p=binomial_p_value(judged, n, float(self._fake.mean())),
            review=_share(review, n),
            review_p=binomial_p_value(review, n, self._usual_review(judged / n)),
            inputs_psi=self._inputs(photos),
            sources=len(sources),
            largest_source=max(sources.values(), default=0) / n,
        )

    def _ks(self, logit: Floats, fake: NDArray[np.bool_]) -> tuple[float, float]:
        found = [(0.0, 1.0)]
        for side in (False, True):
            mine, usual = logit[fake == side], self._reference.logit[self._fake == side].astype(np.float64)
            if min(len(mine), len(usual)) >= _LEAST:
                distance = ks_distance(mine, usual)
                found.append((distance, min(1.0, 2 * ks_p_value(distance, len(mine), len(usual)))))
        return max(found)[0], min(p for _, p in found)

    def _mmd(self, reduced: Floats, fake: NDArray[np.bool_]) -> float:
        total = weight = 0.0
        kernel, usual = self._kernel
        for side in (False, True):
            mine, theirs = reduced[fake == side], usual[self._fake == side]
            if min(len(mine), len(theirs)) >= _LEAST:
                total += len(mine) * mmd_squared(kernel(mine), theirs)
                weight += len(mine)
        return total / weight if weight else 0.0

    @cached_property
    def _kernel(self) -> tuple[FourierFeatures, Floats]:
        reduced = self._reference.reduced.astype(np.float64)
        rng = np.random.default_rng(0)
        pairs = rng.integers(0, len(reduced), (2, 2000))
        # The median heuristic (Gretton et al. 2012).
        bandwidth = float(np.median(np.linalg.norm(reduced[pairs[0]] - reduced[pairs[1]], axis=1)))
        kernel = FourierFeatures(reduced.shape[1], max(bandwidth, 1e-6))
        return kernel, kernel(reduced)

    def _usual_review(self, judged_fake: float) -> float:
        rates = [
            float(self._reference.review[self._fake == side].mean()) if (self._fake == side).any() else 0.0
            for side in (False, True)
        ]
        return (1 - judged_fake) * rates[0] + judged_fake * rates[1]

    def _inputs(self, photos: Sequence[Observed]) -> dict[str, float]:
        mine = Counter(photo.format for photo in photos)
        usual = Counter(self._reference.format.tolist())
        names = sorted({*mine, *usual})
        found = {
            "format": psi(
                np.array([mine[name] / len(photos) for name in names]),
                np.array([usual[name] / len(self._reference) for name in names]),
            )
        }
        reference = self._reference
        columns = (
            np.maximum(reference.width, reference.height),
            reference.quality,
            reference.bytes_per_pixel,
        )
        values = np.array([photo.inputs for photo in photos])
        for place, (name, column) in enumerate(zip(_INPUTS, columns, strict=True)):
            found[name] = psi_of_values(values[:, place], column.astype(np.float64))
        return {name: round(value, 4) for name, value in found.items()}


def _share(hits: int, trials: int) -> Share:
    return Share(**wilson(hits, trials)._asdict())
