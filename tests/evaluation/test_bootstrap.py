"""Intervals over sources: coverage, strata, seeds, and where no interval can be given."""

from __future__ import annotations

import numpy as np
import pytest

from src.evaluation.bootstrap import even_shops, intervals, source_counts, verdict_intervals
from src.evaluation.metrics import Verdicts, decision_metrics


def shops(seed: int, count: int = 30, photos: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Real photos only: each shop has its own chance of being judged rightly, 0.8 on average."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(8, 2, size=count)
    source = np.repeat([f"s{i}" for i in range(count)], photos)
    wrong = rng.random(count * photos) > np.repeat(chance, photos)
    return source, np.zeros(count * photos, dtype=bool), wrong


def specificity_interval(
    seed: int, source: np.ndarray, fake: np.ndarray, wrong: np.ndarray
) -> tuple[float, float]:
    figure = intervals(lambda w: decision_metrics(fake, wrong, w), source, fake, replicates=300, seed=seed)
    low, high = figure["specificity"].low, figure["specificity"].high
    assert low is not None
    assert high is not None
    return low, high


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = naive = 0
    rounds = 120
    for seed in range(rounds):
        source, fake, wrong = shops(seed)
        low, high = specificity_interval(seed, source, fake, wrong)
        covered += low <= 0.8 <= high
        each_photo = np.arange(len(source)).astype(str)
        low, high = specificity_interval(seed, each_photo, fake, wrong)
        naive += low <= 0.8 <= high
    assert 0.87 <= covered / rounds <= 1.0
    # Drawing photos as if they were independent is too sure of itself: this is why sources are drawn.
    assert naive < covered


def test_strata_keep_their_number_of_sources() -> None:
    source = np.repeat(["a", "b", "c", "x", "y", "mixed"], 4)
    fake = np.array([False] * 12 + [True] * 8 + [True, True, True, False])
    index, counts = source_counts(source, fake, replicates=50, seed=1)
    names = np.unique(source)
    of_real = np.isin(names, ["a", "b", "c"])
    assert (counts[:, of_real].sum(axis=1) == 3).all()
    assert (counts[:, ~of_real].sum(axis=1) == 3).all()
    assert (names[index] == source).all()


def test_the_same_seed_gives_the_same_interval() -> None:
    source, fake, wrong = shops(5)
    assert specificity_interval(1, source, fake, wrong) == specificity_interval(1, source, fake, wrong)
    assert specificity_interval(1, source, fake, wrong) != specificity_interval(2, source, fake, wrong)


def test_one_source_gives_a_figure_without_interval() -> None:
    fake = np.array([False, False, True, True])
    decided = np.array([False, True, True, True])
    probability = np.array([0.1, 0.6, 0.7, 0.9])
    source = np.array(["a", "a", "b", "c"])
    figures = verdict_intervals(Verdicts(fake, probability, probability, decided), source, replicates=20)
    assert figures["recall"].value == 1.0
    assert figures["recall"].low is None


def test_an_undefined_figure_is_none() -> None:
    fake, source = np.zeros(4, dtype=bool), np.array(["a", "a", "b", "b"])
    score = np.linspace(0, 1, 4)
    figures = verdict_intervals(Verdicts(fake, score, score, score > 0.5), source, replicates=20)
    assert figures["auroc"].value is None
    assert figures["specificity"].value == pytest.approx(0.5)
    assert figures["specificity"].low is not None


def test_even_weights_let_every_shop_count_once_a_label() -> None:
    source = np.array(["a"] * 8 + ["b"] * 2 + ["a"])
    fake = np.array([False] * 10 + [True])
    weights = even_shops(source, fake)
    assert weights[:8].sum() == pytest.approx(1)
    assert weights[8:10].sum() == pytest.approx(1)
    assert weights[10] == 1
