"""A new model accuses as many real photos as the one before it, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from src.incident.strict import as_strict
from tests.support.tiny_model import tiny_card

BEFORE = np.random.default_rng(1).normal(-2.0, 1.5, 1000)
CARD = tiny_card()


def accused(policies, logits, name):
    return float((np.asarray(CARD.calibration.probability(logits)) >= policies[name].threshold).mean())


def held(after, loss=0.0):
    return as_strict(CARD.policies, CARD.calibration, after, CARD, BEFORE, loss=loss)


@pytest.mark.parametrize("name", ["balanced", "low_false_positive", "high_recall"])
@pytest.mark.parametrize("shift", [1.0, -1.0])
def test_thresholds_move_until_specificity_is_what_it_was(name, shift):
    after = BEFORE + shift
    before = accused(CARD.policies, BEFORE, name)
    assert accused(CARD.policies, after, name) != pytest.approx(before, abs=0.001)
    assert accused(held(after), after, name) == pytest.approx(before, abs=1e-9)


def test_a_share_may_be_lost_when_that_is_allowed():
    lost = accused(held(BEFORE + 1.0, 0.02), BEFORE + 1.0, "balanced") - accused(
        CARD.policies, BEFORE, "balanced"
    )
    assert lost == pytest.approx(0.02, abs=1e-9)


def test_the_threshold_stays_within_its_review_band():
    for shift in (3.0, -3.0):
        for policy in held(BEFORE + shift).values():
            assert policy.review_low <= policy.threshold <= policy.review_high


def test_a_policy_that_the_old_model_lacks_stays_as_it_is():
    old = CARD.model_copy(update={"policies": {"balanced": CARD.policies["balanced"]}})
    found = as_strict(CARD.policies, CARD.calibration, BEFORE + 1.0, old, BEFORE)
    assert found["high_recall"] == CARD.policies["high_recall"]
    assert found["balanced"] != CARD.policies["balanced"]
