"""Keeps a new model as careful with real photos as the one before it, whatever else it learnt."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from src.utils.model_card import Calibration, ModelCard, Policy

Floats = NDArray[np.float64]


def as_strict(
    policies: Mapping[str, Policy],
    calibration: Calibration,
    after: Floats,
    before_card: ModelCard,
    before: Floats,
    *,
    loss: float = 0.0,
) -> dict[str, Policy]:
    """Policies whose thresholds accuse as many known real photos as the old model's do, and no more.

    A threshold that a fit chose on few photos would trade specificity for recall, or the other way round.
    Held where it was, the two models can be compared by recall alone.

    Args:
        policies: Of the new model.
        calibration: Of the new model.
        after: Its logits of known real photos that it was not fitted on, float64 [N].
        before_card: Of the old model; a policy that it lacks stays as it is.
        before: The old one's logits of the same photos, or of photos like them.
        loss: What specificity may lose.
    """
    new = np.sort(np.asarray(calibration.probability(after)))
    old = np.asarray(before_card.calibration.probability(before))
    return {
        name: policy
        if name not in before_card.policies
        else _held(
            policy,
            new,
            float((old < before_card.policies[name].threshold).mean()) - loss,
        )
        for name, policy in policies.items()
    }


def _held(policy: Policy, probability: Floats, wanted: float) -> Policy:
    """The policy with the lowest threshold that leaves this share of real photos below it."""
    least = int(np.ceil(wanted * len(probability) - 1e-9))
    if least <= 0:
        return policy
    highest = float(probability[least - 1])
    following = float(probability[least]) if least < len(probability) else highest
    # Between two photos, so that a probability which moves by a rounding error keeps its label.
    threshold = max((highest + following) / 2, min(1.0, highest + 1e-6))
    return policy.model_copy(
        update={
            "threshold": threshold,
            "review_low": min(policy.review_low, threshold),
            "review_high": max(policy.review_high, threshold),
        }
    )
