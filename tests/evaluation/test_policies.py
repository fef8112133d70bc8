"""Thresholds keep their promises on any data; review bands enclose their threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.evaluation.metrics import balanced_accuracy, decision_metrics
from src.evaluation.policies import (
    MIN_RECALL,
    MIN_SPECIFICITY,
    balanced_threshold,
    choose_policies,
    recall_threshold,
    review_band,
    specificity_threshold,
    threshold_curve,
)
from src.utils.errors import DataError

Data = tuple[np.ndarray, np.ndarray]


@st.composite
def scored(draw: st.DrawFn) -> Data:
    """Labels of both kinds and probabilities, coarse enough that many are equal."""
    seed = draw(st.integers(0, 2**32 - 1))
    count = draw(st.integers(4, 120))
    digits = draw(st.integers(1, 4))
    rng = np.random.default_rng(seed)
    fake = rng.random(count) < 0.5
    fake[:2] = [True, False]
    probability = np.clip(rng.normal(0.5 + 0.3 * (fake - 0.5), 0.25), 0, 1)
    return fake, np.round(probability, digits)


def figures(
    fake: np.ndarray, probability: np.ndarray, threshold: float, weights: np.ndarray
) -> dict[str, float]:
    return {
        name: float(v[0]) for name, v in decision_metrics(fake, probability >= threshold, weights).items()
    }


@settings(max_examples=60, deadline=None)
@given(scored())
def test_the_curve_says_what_each_threshold_does(data: Data) -> None:
    fake, probability = data
    weights = np.random.default_rng(0).random(len(fake)) + 0.1
    thresholds, recall, specificity = threshold_curve(fake, probability, weights)
    assert (np.diff(thresholds) > 0).all()
    for i in range(len(thresholds)):
        found = figures(fake, probability, thresholds[i], weights)
        assert found["recall"] == pytest.approx(recall[i], abs=1e-9)
        assert found["specificity"] == pytest.approx(specificity[i], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(scored())
def test_no_threshold_is_better_balanced(data: Data) -> None:
    fake, probability = data
    weights = np.ones(len(fake))
    chosen = figures(fake, probability, balanced_threshold(fake, probability, weights), weights)
    best = max(balanced_accuracy(fake, probability >= t) for t in np.append(np.unique(probability), 1.1))
    assert chosen["balanced_accuracy"] >= best - 0.001 - 1e-9


@settings(max_examples=60, deadline=None)
@given(scored())
def test_the_strict_threshold_is_the_smallest_that_keeps_its_promise(data: Data) -> None:
    fake, probability = data
    probability = np.minimum(probability, 0.999)
    weightings = [np.ones(len(fake)), np.random.default_rng(1).random(len(fake)) + 0.1]
    threshold = specificity_threshold(fake, probability, weightings)
    for weights in weightings:
        assert figures(fake, probability, threshold, weights)["specificity"] >= MIN_SPECIFICITY - 1e-9
    below = probability[probability < threshold]
    if len(below):
        lower = [figures(fake, probability, below.max(), weights)["specificity"] for weights in weightings]
        assert min(lower) < MIN_SPECIFICITY


@settings(max_examples=60, deadline=None)
@given(scored())
def test_the_eager_threshold_is_the_largest_that_keeps_its_promise(data: Data) -> None:
    fake, probability = data
    weightings = [np.ones(len(fake)), np.random.default_rng(1).random(len(fake)) + 0.1]
    threshold = recall_threshold(fake, probability, weightings)
    for weights in weightings:
        assert figures(fake, probability, threshold, weights)["recall"] >= MIN_RECALL - 1e-9
    above = probability[probability >= threshold]
    if len(above):
        step = np.nextafter(above.min(), 2)
        assert min(figures(fake, probability, step, weights)["recall"] for weights in weightings) < MIN_RECALL


@settings(max_examples=60, deadline=None)
@given(scored(), st.floats(0, 1))
def test_the_review_band_encloses_its_threshold(data: Data, threshold: float) -> None:
    fake, probability = data
    low, high = review_band(fake, probability, np.ones(len(fake)), threshold)
    assert 0 <= low <= threshold <= high <= 1


def test_the_review_band_is_where_verdicts_are_doubtful() -> None:
    rng = np.random.default_rng(4)
    probability = rng.random(50_000)
    fake = rng.random(50_000) < probability  # perfectly calibrated
    low, high = review_band(fake, probability, np.ones(50_000), threshold=0.5, share=0.25)
    assert low == pytest.approx(0.25, abs=0.03)
    assert high == pytest.approx(0.75, abs=0.03)
    assert review_band(fake, probability, np.ones(50_000), threshold=0.9)[1] == 0.9
    assert review_band(fake, probability, np.ones(50_000), threshold=0.1)[0] == 0.1


def test_labels_that_are_parted_perfectly_need_no_review() -> None:
    probability = np.array([0.1, 0.2, 0.8, 0.9])
    low, high = review_band(probability > 0.5, probability, np.ones(4), threshold=0.5)
    assert (low, high) == (0.5, 0.8)


def test_policies_keep_their_order_and_their_promise_in_every_tier() -> None:
    rng = np.random.default_rng(5)
    count = 900
    fake = rng.random(count) < 0.5
    tier = np.array(["clean", "web", "hard"])[np.arange(count) % 3]
    blur = np.where(tier == "hard", 0.28, 0.12)
    probability = np.clip(rng.normal(np.where(fake, 0.75, 0.25), blur), 0, 0.999)
    source = np.array([f"s{i % 40}" for i in range(count)])
    policies = choose_policies(fake, probability, source, tier)
    assert set(policies) == {"balanced", "low_false_positive", "high_recall"}
    eager, middle, strict = (
        policies[name].threshold for name in ("high_recall", "balanced", "low_false_positive")
    )
    assert eager <= middle <= strict
    for name in ("clean", "web", "hard"):
        inside = tier == name
        assert np.mean(probability[inside & ~fake] < strict) >= MIN_SPECIFICITY
        assert np.mean(probability[inside & fake] >= eager) >= MIN_RECALL


def test_a_tier_without_one_label_is_refused() -> None:
    fake = np.array([True, False, True])
    with pytest.raises(DataError, match="every tier"):
        choose_policies(
            fake, np.array([0.9, 0.1, 0.8]), np.array(["a", "b", "c"]), np.array(["clean", "clean", "web"])
        )


def test_a_promise_that_cannot_be_kept_is_an_error() -> None:
    with pytest.raises(DataError, match="specificity"):
        specificity_threshold(np.array([False, True]), np.array([1.0, 1.0]), [np.ones(2)])
