"""What people's feedback says of the model's errors, beside as many errors as such photos always brought.

People look at doubtful photos first, and there the model errs more often: plain accuracy of the feedback says
little. So each photo is compared with the reference's error rate at its own logit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

import numpy as np

from src.monitoring.drift.charts import Bernoulli
from src.monitoring.drift.observed import Observed
from src.monitoring.drift.reference import Reference
from src.monitoring.drift.schema import LabelState, Share
from src.monitoring.drift.statistics import Floats, poisson_binomial_tail, wilson

LIMIT = math.log(1_000_000.0)
"""A CUSUM of log-likelihood ratios reaches h once in at least exp(h) stable labels (Lorden 1971)."""
ODDS = 3.0
"""How many times larger the odds of an error are that the CUSUM is tuned to."""
_BINS = 8
_HARMFUL_P = 0.01
_HARMFUL_LEAST = 3
_HARMLESS_LEAST = 40
_HARMLESS_UNPROMPTED = 20
_HARMLESS_MARGIN = 0.10
_ONE_SIDED_90 = 1.2816

Harm = Literal["harmful", "harmless", "unknown"]


class Labelled(NamedTuple):
    """A photo that a person has judged."""

    photo: Observed
    fake: bool
    at: datetime

    @property
    def error(self) -> bool:
        """Whether the model was wrong."""
        return self.photo.fake != self.fake


@dataclass(frozen=True, slots=True)
class Change:
    """Labels on photos since a change began.

    Attributes:
        labelled: How many.
        unprompted: Of these, on photos that nobody was asked to review: only they show misses.
        errors: Of the model.
        expected: Errors of the reference on photos with such logits.
        harm: What follows.
    """

    labelled: int
    unprompted: int
    errors: int
    expected: float
    harm: Harm


class LabelReader:
    """Judges feedback by one reference."""

    def __init__(self, reference: Reference) -> None:
        logit = reference.logit.astype(np.float64)
        wrong = (logit >= reference.facts.cut) != reference.fake
        inner = np.quantile(logit, np.linspace(0, 1, _BINS + 1)[1:-1])
        self._edges = np.unique(np.append(inner, reference.facts.cut))
        place = np.searchsorted(self._edges, logit, side="right")
        count = np.bincount(place, minlength=len(self._edges) + 1)
        errors = np.bincount(place, weights=wrong, minlength=len(self._edges) + 1)
        # Half an error more: a bin in which the reference was never wrong may still hold one.
        self._rates = (errors + 0.5) / (count + 1.0)

    def chances(self, labelled: Sequence[Labelled]) -> Floats:
        """How probable an error is, by the logit, float64 [N]."""
        return self.chances_of(np.array([item.photo.logit for item in labelled], dtype=np.float64))

    def chances_of(self, logit: Floats) -> Floats:
        """The same for logits [N]."""
        found: Floats = self._rates[np.searchsorted(self._edges, logit, side="right")]
        return found

    def read(self, labelled: Sequence[Labelled]) -> LabelState:
        """All labels, in the order they came."""
        chances = self.chances(labelled)
        errors = np.array([item.error for item in labelled], dtype=bool)
        value = 0.0
        for step in Bernoulli(chances, ODDS).ratio(errors):
            value = max(0.0, value + float(step))
        said = [item.photo.fake for item in labelled]
        both = sum(item.photo.fake and item.fake for item in labelled)
        return LabelState(
            labelled=len(labelled),
            precision=_share(both, sum(said)),
            recall=_share(both, sum(item.fake for item in labelled)),
            errors=int(errors.sum()),
            errors_expected=float(chances.sum()),
            cusum=value,
            cusum_limit=LIMIT,
        )

    def since(self, labelled: Sequence[Labelled], first_id: str) -> Change:
        """Whether a change that began with a prediction harms."""
        mine = [item for item in labelled if item.photo.id >= first_id]
        chances = self.chances(mine)
        errors = sum(item.error for item in mine)
        unprompted = sum(not item.photo.review for item in mine)
        return Change(
            labelled=len(mine),
            unprompted=unprompted,
            errors=errors,
            expected=float(chances.sum()),
            harm=_harm(errors, chances, unprompted),
        )


def _harm(errors: int, chances: Floats, unprompted: int) -> Harm:
    n = len(chances)
    if errors >= _HARMFUL_LEAST and poisson_binomial_tail(errors, chances) < _HARMFUL_P:
        return "harmful"
    if n >= _HARMLESS_LEAST and unprompted >= _HARMLESS_UNPROMPTED:
        worst = wilson(errors, n, _ONE_SIDED_90).high
        if worst - float(chances.mean()) <= _HARMLESS_MARGIN:
            return "harmless"
    return "unknown"


def _share(hits: int, trials: int) -> Share:
    return Share(**wilson(hits, trials)._asdict())
