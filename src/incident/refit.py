"""A new head from few labels: logistic regression on embeddings, held near the old head, calibrated honestly.

The features stay, so that minutes of training become a second of convex optimisation. What was learnt of
known photos is kept by three means: they are in the fit, the penalty is on the distance from the old head,
and the calibration's bias is lowered, or a policy's threshold raised, until specificity on them, out of fold,
is what it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from src.evaluation.calibration import damped_weights, fit_calibration
from src.incident.head import Head
from src.utils.errors import DataError
from src.utils.model_card import Calibration, ModelCard, Policy

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MOST_NEW = 100
"""Labels of one refit; with more, features should be trained, too."""
LEAST_NEW = 10
LEAST_KNOWN = 40
"""Of each label."""
_FOLDS = 5
_DIRECTIONS = 256
"""Directions of most variance along which the head may move; the others are noise, and cost time."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Labelled photos as the network sees them.

    Attributes:
        embedding: float [N, D].
        fake: bool [N].
        source: [N], the shop.
        group: [N]; photos of one group are never fitted and judged apart.
    """

    embedding: NDArray[np.floating]
    fake: Bools
    source: NDArray[np.str_]
    group: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.fake)


@dataclass(frozen=True, slots=True)
class RefitPlan:
    """How a head is refitted.

    Attributes:
        strengths: Penalties to try, on the distance from the old head in units of a feature's spread.
        new_share: Weight of the new photos within their label; known ones have the rest.
        specificity_loss: What specificity on known real photos may lose under any policy.
        seed: Of the division into folds.
    """

    strengths: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    new_share: float = 0.35
    specificity_loss: float = 0.005
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """A new head and what is known of it before anything is judged.

    Attributes:
        head: It.
        calibration: For its logits.
        policies: The card's; a threshold is higher where specificity asked for it.
        strength: The penalty that out-of-fold loss chose.
        new: Labels of the new kind it was fitted on.
        known: Known photos it was fitted on.
        recall_new: Share of the new AI-generated ones found, out of fold, under the default policy; None when
            none is AI-generated.
        specificity_before: Of the old head on the known real photos, under the default policy.
        specificity_after: Of the new head, out of fold.
        bias_lowered: By how much the bias was lowered below its likeliest value.
        seconds: Taken.
    """

    head: Head
    calibration: Calibration
    policies: dict[str, Policy]
    strength: float
    new: int
    known: int
    recall_new: float | None
    specificity_before: float
    specificity_after: float
    bias_lowered: float
    seconds: float


def refit(known: Examples, new: Examples, old: Head, card: ModelCard, plan: RefitPlan | None = None) -> Refit:
    """Fit a head.

    Args:
        known: Photos that the network was not trained on, of both labels.
        new: At most `MOST_NEW` labelled photos of the new kind.
        old: The head in service.
        card: Its card.
        plan: How.

    Raises:
        DataError: Too many or too few photos, or an embedding that is not finite.
    """
    start = perf_counter()
    plan = plan or RefitPlan()
    _check(known, new)
    problem = _Problem.of(known, new, old, card.calibration, plan)
    folds = list(_folds(problem, plan.seed))
    strength = min(plan.strengths, key=lambda value: problem.loss_out_of_fold(folds, value))
    outside = problem.out_of_fold(folds, strength)
    head = problem.head(problem.fit(problem.weights, strength))
    calibration, policies, lowered = _calibrate(outside, problem, old, card, plan)
    policy = card.policy()[1]
    real, fresh = ~problem.fake & ~problem.new, problem.fake & problem.new
    probability = np.asarray(calibration.probability(outside))
    before = np.asarray(card.calibration.probability(old.logit(known.embedding[~known.fake])))
    return Refit(
        head=head,
        calibration=calibration,
        policies=policies,
        strength=strength,
        new=len(new),
        known=len(known),
        recall_new=float((probability[fresh] >= policy.threshold).mean()) if fresh.any() else None,
        specificity_before=float((before < policy.threshold).mean()),
        specificity_after=float((probability[real] < policy.threshold).mean()),
        bias_lowered=lowered,
        seconds=perf_counter() - start,
    )


def _check(known: Examples, new: Examples) -> None:
    if not LEAST_NEW <= len(new) <= MOST_NEW:
        raise DataError(f"a refit takes {LEAST_NEW} to {MOST_NEW} labelled photos, not {len(new)}")
    if min(known.fake.sum(), (~known.fake).sum()) < LEAST_KNOWN:
        raise DataError(f"a refit needs {LEAST_KNOWN} known photos of each label")
    if not all(np.isfinite(each.embedding).all() for each in (known, new)):
        raise DataError("an embedding is not finite")


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """All photos along the directions of most variance, and what the old head says of them, calibrated.

    Attributes:
        features: float64 [N, R]: (embedding - centre) @ directions.
        directions: float64 [D, R]; a feature counts in units of its spread.
        embedding: float64 [N, D].
        score: float64 [N].
    """

    features: Floats
    directions: Floats
    centre: Floats
    embedding: Floats
    score: Floats
    fake: Bools
    new: Bools
    source: NDArray[np.str_]
    group: NDArray[np.str_]
    weights: Floats
    old: Head
    temperature: float

    @classmethod
    def of(
        cls, known: Examples, new: Examples, old: Head, calibration: Calibration, plan: RefitPlan
    ) -> _Problem:
        embedding = np.concatenate([known.embedding, new.embedding]).astype(np.float64)
        fake = np.concatenate([known.fake, new.fake])
        is_new = np.arange(len(fake)) >= len(known)
        source = np.concatenate([known.source, new.source]).astype(np.str_)
        centre, spread = embedding.mean(axis=0), embedding.std(axis=0)
        # A feature that never moves here must not be blown up by the division.
        spread = np.maximum(spread, 0.05 * float(np.median(spread[spread > 0])))
        scaled = (embedding - centre) / spread
        _, axes = np.linalg.eigh(scaled.T @ scaled)
        directions = axes[:, ::-1][:, :_DIRECTIONS]
        return cls(
            features=scaled @ directions,
            directions=directions / spread[:, None],
            centre=centre,
            embedding=embedding,
            score=old.logit(embedding) / calibration.temperature + calibration.bias,
            fake=fake,
            new=is_new,
            source=source,
            group=np.concatenate([known.group, new.group]).astype(np.str_),
            weights=_weights(fake, is_new, source, plan.new_share),
            old=old,
            temperature=calibration.temperature,
        )

    def fit(self, weights: Floats, strength: float) -> Floats:
        """Change of the head, float64 [R + 1] along the directions, the constant last."""
        rows = weights > 0
        features, score, weight = self.features[rows], self.score[rows], weights[rows] / weights.sum()
        sign = np.where(self.fake[rows], 1.0, -1.0)

        def loss(change: Floats) -> tuple[float, Floats]:
            margin = sign * (score + features @ change[:-1] + change[-1])
            value = float(weight @ np.logaddexp(0.0, -margin))
            pull = -weight * sign * 0.5 * (1.0 - np.tanh(0.5 * margin))
            slope = np.append(features.T @ pull + strength * change[:-1], pull.sum())
            return value + 0.5 * strength * float(change[:-1] @ change[:-1]), slope

        start = np.zeros(features.shape[1] + 1)
        found: Floats = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
        return found

    def apply(self, change: Floats) -> Floats:
        """Calibrated scores [N] after a change."""
        scores: Floats = self.score + self.features @ change[:-1] + change[-1]
        return scores

    def head(self, change: Floats) -> Head:
        """The head whose logits are the old ones plus the change, in the old logits' units."""
        weight = self.temperature * (self.directions @ change[:-1])
        bias = self.temperature * change[-1] - float(self.centre @ weight)
        return Head(self.old.weight + weight, self.old.bias + bias)

    def out_of_fold(self, folds: Sequence[NDArray[np.int64]], strength: float) -> Floats:
        """Raw logits [N], each by a head that was fitted without the photo's fold."""
        logit = np.zeros(len(self.fake))
        for inside in folds:
            weights = self.weights.copy()
            weights[inside] = 0.0
            head = self.head(self.fit(weights, strength))
            logit[inside] = head.logit(self.embedding[inside])
        return logit

    def loss_out_of_fold(self, folds: Sequence[NDArray[np.int64]], strength: float) -> float:
        """Weighted logistic loss, out of fold."""
        score = np.zeros(len(self.fake))
        for inside in folds:
            weights = self.weights.copy()
            weights[inside] = 0.0
            score[inside] = self.apply(self.fit(weights, strength))[inside]
        return float(self.weights @ np.logaddexp(0.0, np.where(self.fake, -score, score)))


def _weights(fake: Bools, new: Bools, source: NDArray[np.str_], new_share: float) -> Floats:
    """Weights [N] that sum to a half in each label; new photos have their share of it."""
    weights = damped_weights(fake, source)
    for label in (False, True):
        fresh, usual = (fake == label) & new, (fake == label) & ~new
        if fresh.any() and usual.any():
            # A handful of new real photos must not outweigh a thousand known ones.
            share = min(new_share, 2.0 * float(fresh.sum()) / 100.0)
            weights[fresh] *= 0.5 * share / weights[fresh].sum()
            weights[usual] *= 0.5 * (1.0 - share) / weights[usual].sum()
    return weights


def _folds(problem: _Problem, seed: int) -> Iterator[NDArray[np.int64]]:
    """Indices of each fold; groups stay together, and new photos are dealt evenly."""
    kind = 2 * problem.new.astype(int) + problem.fake
    groups = problem.group
    count = min(_FOLDS, len(np.unique(groups[problem.new])), len(np.unique(groups[~problem.new])))
    if count < 2:
        raise DataError("the labelled photos are all of one group: nothing could be judged out of fold")
    smallest = min(int((kind == each).sum()) for each in np.unique(kind))
    if smallest >= count:
        division = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(groups, kind, groups)
    else:
        division = GroupKFold(count).split(groups, kind, groups)
    for _, inside in division:
        yield inside


def _calibrate(
    logit: Floats, problem: _Problem, old: Head, card: ModelCard, plan: RefitPlan
) -> tuple[Calibration, dict[str, Policy], float]:
    """Calibration and policies for out-of-fold logits, as strict on known real photos as the card's.

    The bias is lowered as far as the default policy's specificity asks. Another policy that would still
    accuse more of them than before gets a higher threshold.

    Returns:
        The calibration, the policies, and by how much the bias was lowered.
    """
    fitted = fit_calibration(problem.fake, logit, problem.weights)
    real = ~problem.new & ~problem.fake
    score = np.sort(logit[real] / fitted.temperature)
    before = np.asarray(card.calibration.probability(old.logit(problem.embedding[real])))

    def highest(policy: Policy) -> float | None:
        """The score that must stay below the threshold; None where any may be above it."""
        wanted = float((before < policy.threshold).mean()) - plan.specificity_loss
        least = int(np.ceil(wanted * len(score) - 1e-9))
        return float(score[least - 1]) if least > 0 else None

    _, default = card.policy()
    kept, bias = highest(default), fitted.bias
    if kept is not None and 0.0 < default.threshold < 1.0:
        cut = float(np.log(default.threshold / (1.0 - default.threshold)))
        bias = min(bias, cut - kept - 1e-6)
    policies = {}
    for name, policy in card.policies.items():
        kept, threshold = highest(policy), policy.threshold
        if kept is not None and name != card.default_policy:
            threshold = max(threshold, min(1.0, Calibration(bias=bias).probability(kept) + 1e-6))
        policies[name] = policy.model_copy(
            update={"threshold": threshold, "review_high": max(policy.review_high, threshold)}
        )
    return Calibration(temperature=fitted.temperature, bias=bias), policies, fitted.bias - bias
