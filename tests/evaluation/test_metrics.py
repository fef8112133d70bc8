"""The figures against scikit-learn, against counting by hand, and under weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from src.evaluation.metrics import (
    MAX_FPR,
    Verdicts,
    all_metrics,
    auroc,
    balanced_accuracy,
    calibration_metrics,
    decision_metrics,
    ranking_metrics,
    reliability,
)


def sample(count: int = 400, seed: int = 0, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    fake = rng.random(count) < 0.4
    score = rng.normal(fake * 1.5, 1.0)
    return fake, np.round(score, 1) if ties else score


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_all_figures_agree_with_scikit_learn(ties: bool, weighted: bool) -> None:
    fake, score = sample(ties=ties)
    weights = (
        np.random.default_rng(1).integers(0, 4, len(fake)).astype(float) if weighted else np.ones(len(fake))
    )
    probability = 1 / (1 + np.exp(-score))
    decided = probability >= 0.6
    found = all_metrics(Verdicts(fake, score, probability, decided), weights)
    expected = {
        "accuracy": sk.accuracy_score(fake, decided, sample_weight=weights),
        "balanced_accuracy": sk.balanced_accuracy_score(fake, decided, sample_weight=weights),
        "precision": sk.precision_score(fake, decided, sample_weight=weights),
        "recall": sk.recall_score(fake, decided, sample_weight=weights),
        "specificity": sk.recall_score(~fake, ~decided, sample_weight=weights),
        "f1": sk.f1_score(fake, decided, sample_weight=weights),
        "auroc": sk.roc_auc_score(fake, score, sample_weight=weights),
        "average_precision": sk.average_precision_score(fake, score, sample_weight=weights),
        "brier": sk.brier_score_loss(fake, probability, sample_weight=weights),
    }
    fpr, tpr, _ = sk.roc_curve(fake, score, sample_weight=weights, drop_intermediate=False)
    expected["tpr_at_1fpr"] = tpr[fpr <= MAX_FPR].max()
    for name, value in expected.items():
        assert found[name].shape == (1,)
        assert found[name][0] == pytest.approx(value, abs=1e-9), name


def test_counts_by_hand() -> None:
    fake = np.array([True, True, True, False, False])
    decided = np.array([True, True, False, True, False])
    found = {name: float(value[0]) for name, value in decision_metrics(fake, decided).items()}
    assert found == pytest.approx(
        {
            "accuracy": 3 / 5,
            "balanced_accuracy": (2 / 3 + 1 / 2) / 2,
            "precision": 2 / 3,
            "recall": 2 / 3,
            "specificity": 1 / 2,
            "f1": 2 / 3,
        }
    )


def test_expected_calibration_error_by_hand() -> None:
    # Two bins: 4 photos at 0.9 of which 3 are fake, 6 at 0.1 of which 3 are fake.
    probability = np.array([0.9] * 4 + [0.1] * 6)
    fake = np.array([True] * 3 + [False] + [True] * 3 + [False] * 3)
    assert calibration_metrics(fake, probability)["ece"][0] == pytest.approx(0.4 * 0.15 + 0.6 * 0.4)


def test_certain_probabilities_fall_into_the_outer_bins() -> None:
    mass, mean, share = reliability(np.array([False, True]), np.array([0.0, 1.0]))
    assert mass[0, 0] == mass[0, -1] == 1
    assert (mean[0, 0], mean[0, -1], share[0, 0], share[0, -1]) == (0, 1, 0, 1)
    assert np.isnan(share[0, 7])


@pytest.mark.parametrize("fake", [np.zeros(5, bool), np.ones(5, bool)])
def test_an_absent_class_gives_nan_not_a_number_out_of_thin_air(fake: np.ndarray) -> None:
    score = np.arange(5.0)
    found = all_metrics(Verdicts(fake, score, score / 5, score > 2))
    assert np.isnan(found["auroc"][0])
    assert np.isnan(found["tpr_at_1fpr"][0])
    assert np.isnan(found["balanced_accuracy"][0])
    assert np.isfinite(found["accuracy"][0])


def test_no_photos_at_all() -> None:
    empty = np.zeros(0)
    assert np.isnan(ranking_metrics(empty.astype(bool), empty)["auroc"][0])


def test_scores_that_are_all_equal_are_chance() -> None:
    assert auroc(np.array([True, False, False]), np.zeros(3)) == 0.5


def test_short_forms_for_training() -> None:
    fake, score = sample()
    assert auroc(fake, score) == pytest.approx(sk.roc_auc_score(fake, score))
    assert balanced_accuracy(fake, score > 0.5) == pytest.approx(
        sk.balanced_accuracy_score(fake, score > 0.5)
    )


def test_one_row_of_weights_does_not_touch_another() -> None:
    fake, score = sample(100)
    weights = np.random.default_rng(2).integers(0, 3, (7, 100)).astype(float)
    verdicts = Verdicts(fake, score, 1 / (1 + np.exp(-score)), score > 0.5)
    together = all_metrics(verdicts, weights)
    for row in range(7):
        alone = all_metrics(verdicts, weights[row])
        for name, values in together.items():
            assert values[row] == pytest.approx(alone[name][0], abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(20, 60))
def test_ranking_figures_only_see_the_order(seed: int, count: int) -> None:
    fake, score = sample(count, seed)
    stretched = ranking_metrics(fake, np.exp(3 * score) + 5)
    for name, value in ranking_metrics(fake, score).items():
        np.testing.assert_allclose(value, stretched[name])
