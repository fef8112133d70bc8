"""Keeps a new model as careful with real photos as the one before it, whatever else it learnt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from src.utils.model_card import ModelCard, Policy

Floats = NDArray[np.float64]


def as_strict(
    card: ModelCard, after: Floats, before_card: ModelCard, before: Floats, loss: float
) -> ModelCard:
    """The card with thresholds raised where more real photos would be accused than before.

    Args:
        card: Of the new model.
        after: Its logits of known real photos, float64 [N].
        before_card: Of the old model.
        before: The old one's logits of the same photos.
        loss: What specificity may lose.
    """
    new = np.sort(np.asarray(card.calibration.probability(after)))
    old = np.asarray(before_card.calibration.probability(before))
    policies = {
        name: _raised(policy, new, float((old < before_card.policies[name].threshold).mean()) - loss)
        if name in before_card.policies
        else policy
        for name, policy in card.policies.items()
    }
    return card.model_copy(update={"policies": policies})


def _raised(policy: Policy, probability: Floats, wanted: float) -> Policy:
    least = int(np.ceil(wanted * len(probability) - 1e-9))
    if least <= 0:
        return policy
    threshold = max(policy.threshold, min(1.0, float(probability[least - 1]) + 1e-6))
    return policy.model_copy(
        update={"threshold": threshold, "review_high": max(policy.review_high, threshold)}
    )
