"""How many photos of a catalogue are AI-generated, when the detector's own error rates are known and stated.

The share of photos that are called AI-generated is not that: with few fakes, most of what is called so may be
mistakes. Rogan & Gladen (1978) turn the one into the other by sensitivity and specificity; Lang & Reiczigel
(2014) give the interval that knows that these two are estimates themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from src.utils.model_report import Estimate, ModelReport

_Z = 1.959964
"""Normal quantile of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share that was measured.

    Attributes:
        value: The share.
        weight: Independent photos that would give it the same uncertainty.
    """

    value: float
    weight: float

    @classmethod
    def of(cls, estimate: Estimate, photos: int) -> Rate | None:
        """A rate from its 95 % interval: photos of one shop are alike, so they weigh less than their number.

        Args:
            estimate: With an interval over shops.
            photos: Of which it is the share.
        """
        if estimate.value is None:
            return None
        if estimate.low is None or estimate.high is None or estimate.high <= estimate.low:
            return cls(estimate.value, photos)
        deviation = (estimate.high - estimate.low) / (2 * _Z)
        # At 0 or 1 the formula for the variance gives 0, whatever the interval says.
        share = min(max(estimate.value, 1 / (photos + 2)), 1 - 1 / (photos + 2))
        return cls(estimate.value, min(photos, share * (1 - share) / deviation**2))


@dataclass(frozen=True, slots=True)
class Prevalence:
    """An estimate.

    Attributes:
        share: Of AI-generated photos.
        low: Lower end of its 95 % interval.
        high: Upper end.
        called: Share that the detector calls AI-generated, uncorrected.
        judged: Photos with a verdict; those without one are left out.
        sensitivity: Of the detector, on shops that its training never saw.
        specificity: Likewise.
    """

    share: float
    low: float
    high: float
    called: float
    judged: int
    sensitivity: float
    specificity: float


def error_rates(report: ModelReport, policy: str) -> tuple[Rate, Rate] | None:
    """Sensitivity and specificity on unseen shops under a policy; None where they were not measured."""
    found = report.of_policy(policy, "unseen", "clean")
    if found is None or not {"recall", "specificity"} <= found.figures.keys():
        return None
    sensitivity = Rate.of(found.figures["recall"], found.fakes)
    specificity = Rate.of(found.figures["specificity"], found.photos - found.fakes)
    return None if sensitivity is None or specificity is None else (sensitivity, specificity)


def estimate(called: int, judged: int, sensitivity: Rate, specificity: Rate) -> Prevalence | None:
    """Correct a count for the error rates.

    Args:
        called: Photos that are called AI-generated.
        judged: All with a verdict: a random sample, or the whole catalogue. The interval is that of a sample
            from a much larger catalogue, and so too wide rather than too narrow for all others.
        sensitivity: Share of AI-generated photos that are called so.
        specificity: Share of real photos that are called real.

    Returns:
        The estimate of Rogan & Gladen within 0..1, with the interval of Lang & Reiczigel; None where nothing
        can be said: nothing was judged, or the detector is no better than chance.
    """
    if not judged or sensitivity.value + specificity.value <= 1.0:
        return None
    crude = _corrected(called / judged, sensitivity.value, specificity.value)
    n = judged + _Z**2
    p = (called + _Z**2 / 2) / n
    se, n_se = _softened(sensitivity)
    sp, n_sp = _softened(specificity)
    if se + sp <= 1.0:
        return None
    centre = _corrected(p, se, sp)
    from_se, from_sp = se * (1 - se) / n_se, sp * (1 - sp) / n_sp
    shift = 2 * _Z**2 * (centre * from_se - (1 - centre) * from_sp)
    variance = p * (1 - p) / n + centre**2 * from_se + (1 - centre) ** 2 * from_sp
    half = _Z * sqrt(variance) / (se + sp - 1)
    return Prevalence(
        share=_clipped(crude),
        low=min(_clipped(centre + shift - half), _clipped(crude)),
        high=max(_clipped(centre + shift + half), _clipped(crude)),
        called=called / judged,
        judged=judged,
        sensitivity=sensitivity.value,
        specificity=specificity.value,
    )


def _corrected(called: float, sensitivity: float, specificity: float) -> float:
    return (called + specificity - 1) / (sensitivity + specificity - 1)


def _softened(rate: Rate) -> tuple[float, float]:
    """A rate with one success and one failure added, and its weight with both."""
    return (rate.value * rate.weight + 1) / (rate.weight + 2), rate.weight + 2


def _clipped(value: float) -> float:
    return min(1.0, max(0.0, value))
