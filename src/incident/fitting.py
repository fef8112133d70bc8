"""The convex problem of a refit: logistic regression on embeddings, held near the old head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from src.evaluation.calibration import damped_weights
from src.incident.head import Head
from src.utils.errors import DataError
from src.utils.model_card import Calibration

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

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


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
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
        cls, known: Examples, new: Examples, old: Head, calibration: Calibration, new_share: float
    ) -> Problem:
        """Lay out photos; `new_share` is the weight of the new ones within their label."""
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
            weights=_weights(fake, is_new, source, new_share),
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


def folds_of(problem: Problem, seed: int) -> Iterator[NDArray[np.int64]]:
    """Indices of each fold; known shops and new groups stay together, and new photos are dealt evenly.

    Folds over products instead would call a head good that knows the shops.
    """
    kind = 2 * problem.new.astype(int) + problem.fake
    groups = np.where(problem.new, np.char.add("new ", problem.group), np.char.add("shop ", problem.source))
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
