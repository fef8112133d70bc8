"""Charts: what they are in stable traffic, and that they see what they are for."""

import math

import numpy as np
import pytest

from src.monitoring.drift.charts import Bernoulli, Cusum, Mewma
from src.monitoring.drift.space import Crowd, Plane
from src.monitoring.drift.traffic import Pool, stable_traffic


def test_mewma_has_the_mean_of_its_chi_square_in_stable_traffic():
    rng = np.random.default_rng(0)
    chart = Mewma(400, 6, memory=40.0)
    for _ in range(400):
        value = chart.step(rng.normal(size=(400, 6)))
    assert value.mean() == pytest.approx(6.0, rel=0.1)


def test_mewma_leaves_stable_values_far_behind_after_a_shift():
    rng = np.random.default_rng(1)
    chart = Mewma(20, 6, memory=40.0)
    for _ in range(200):
        value = chart.step(rng.normal(0.5, 1.0, size=(20, 6)))
    assert value.min() > 40.0


def test_cusum_of_a_likelihood_ratio_keeps_lordens_bound():
    """One alarm in exp(h) events at most; with h = 5 that is 148 events."""
    rng = np.random.default_rng(2)
    model, chart = Bernoulli(0.05, 4.0), Cusum(300)
    first = np.full(300, np.inf)
    for turn in range(1500):
        over = chart.step(model.ratio(rng.random(300) < 0.05)) > 5.0
        first = np.where(over & np.isinf(first), turn + 1, first)
    assert np.minimum(first, 1500).mean() > math.exp(5.0)


def test_cusum_finds_more_frequent_events():
    rng = np.random.default_rng(3)
    model, chart = Bernoulli(0.05, 4.0), Cusum(50)
    for _ in range(300):
        value = chart.step(model.ratio(rng.random(50) < 0.2))
    assert value.min() > 5.0


def test_the_expected_ratio_is_negative_before_and_positive_after():
    model = Bernoulli(0.1, 3.0)
    yes, no = model.ratio(np.array([True, False]))
    assert 0.1 * yes + 0.9 * no < 0 < 0.25 * yes + 0.75 * no


def test_a_moving_mix_cannot_be_seen_in_a_plane_and_a_new_crowd_can():
    rng = np.random.default_rng(4)
    fake = rng.random(2000) < 0.5
    raw = rng.normal(size=(2000, 5)) + np.where(fake[:, None], [3.0, 1.0, 0, 0, 0], 0.0)
    plane = Plane.fit(raw, Crowd(fake, rng.integers(0, 50, 2000)), burst=1.0)
    only_fake = plane(raw[fake]).mean(axis=0)
    new = plane(rng.normal(size=(500, 5)) + np.array([0, 0, 3.0, 0, 0])).mean(axis=0)
    assert np.linalg.norm(only_fake) < 0.15
    assert np.linalg.norm(new) > 1.5


def test_traffic_comes_in_bursts_of_one_shop_without_repeats():
    source = np.repeat(np.arange(30), 20)
    fake = source % 2 == 0
    rng = np.random.default_rng(5)
    drawn = np.stack(
        list(stable_traffic(Pool(fake, source), rng, streams=10, photos=2000, burst=4.0, mix=(0.5, 0.5)))
    )
    same = source[drawn[1:]] == source[drawn[:-1]]
    assert same.mean() == pytest.approx(0.75 + 0.25 / 15, abs=0.03)
    # The order within shops is drawn anew now and then, so a repeat is not impossible.
    assert (drawn[1:] == drawn[:-1])[same].mean() < 0.01
    assert fake[drawn].mean() == pytest.approx(0.5, abs=0.05)
