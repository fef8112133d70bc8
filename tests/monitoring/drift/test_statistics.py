"""Two-sample statistics against what is known of them."""

import numpy as np
import pytest

from src.monitoring.drift.statistics import (
    FourierFeatures,
    binomial_p_value,
    ks_distance,
    ks_p_value,
    mmd_squared,
    nearest_distance,
    poisson_binomial_tail,
    psi,
    psi_of_values,
    wilson,
)

scipy_stats = pytest.importorskip("scipy.stats")


def test_ks_agrees_with_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=300), rng.normal(0.2, 1.1, size=500)
    expected = scipy_stats.ks_2samp(first, second, method="asymp")
    distance = ks_distance(first, second)
    assert distance == pytest.approx(expected.statistic)
    assert ks_p_value(distance, 300, 500) == pytest.approx(expected.pvalue, rel=0.25)


def test_ks_p_values_are_even_where_nothing_differs():
    rng = np.random.default_rng(1)
    found = [
        ks_p_value(ks_distance(rng.normal(size=200), rng.normal(size=300)), 200, 300) for _ in range(300)
    ]
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.06)


def test_psi_is_zero_for_the_same_shares_and_bounded_for_empty_bins():
    assert psi(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0.0
    assert 3.0 < psi(np.array([1.0, 0.0]), np.array([0.5, 0.5])) < 4.0


def test_psi_counts_missing_values_as_a_bin():
    values = np.linspace(0, 1, 100)
    gone = np.where(np.arange(100) < 50, np.nan, values)
    assert psi_of_values(values, values) == pytest.approx(0.0)
    assert psi_of_values(gone, values) > 0.25


def test_wilson_agrees_with_the_published_interval():
    # 81 of 263, Newcombe (1998), table I, method 3.
    found = wilson(81, 263)
    assert (found.low, found.high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))
    assert wilson(0, 0) == (0.0, 0.0, 1.0)


def test_poisson_binomial_is_the_binomial_for_equal_chances():
    expected = float(scipy_stats.binom.sf(4, 30, 0.1))
    assert poisson_binomial_tail(5, np.full(30, 0.1)) == pytest.approx(expected)
    assert poisson_binomial_tail(0, np.full(3, 0.5)) == 1.0
    assert poisson_binomial_tail(1, np.zeros(0)) == 0.0


def test_binomial_p_value_is_near_the_exact_one():
    expected = scipy_stats.binomtest(70, 100, 0.5).pvalue
    assert binomial_p_value(70, 100, 0.5) == pytest.approx(expected, rel=0.3)
    assert binomial_p_value(0, 10, 0.0) == 1.0
    assert binomial_p_value(1, 10, 0.0) == 0.0


def test_mmd_is_near_zero_for_one_crowd_and_grows_with_the_distance():
    rng = np.random.default_rng(2)
    features = FourierFeatures(5, bandwidth=3.0)
    base = features(rng.normal(size=(800, 5)))
    same, near, far = (
        mmd_squared(features(rng.normal(shift, 1, size=(400, 5))), base) for shift in (0.0, 0.5, 1.5)
    )
    assert abs(same) < 0.003
    assert same < near < far


def test_nobody_is_a_neighbour_of_himself():
    points = np.array([[0.0], [1.0], [10.0]])
    assert nearest_distance(points, points, 1).tolist() == pytest.approx([0.0, 0.0, 0.0])
    assert nearest_distance(points, points, 1, own=True).tolist() == pytest.approx([1.0, 1.0, 9.0])
