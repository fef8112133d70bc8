"""The estimate is right where the raw share is not, and its interval holds the truth as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from src.scan.prevalence import Rate, error_rates, estimate
from src.utils.model_report import Estimate, ModelReport, PolicyFigures


def test_with_few_fakes_most_of_what_is_called_so_are_mistakes() -> None:
    found = estimate(220, 1000, Rate(0.84, 2000), Rate(0.78, 2000))
    assert found is not None
    assert found.called == 0.22
    assert found.share == pytest.approx(0.0, abs=1e-9)
    assert found.low == 0.0 < found.high < 0.08


def test_perfect_rates_change_nothing() -> None:
    found = estimate(300, 1000, Rate(1.0, 1e9), Rate(1.0, 1e9))
    assert found is not None
    assert found.share == pytest.approx(0.3)
    assert (found.low, found.high) == pytest.approx((0.2724, 0.3291), abs=0.001)  # Agresti and Coull


def test_doubt_about_the_rates_widens_the_interval() -> None:
    sure, unsure = (estimate(400, 1000, Rate(0.84, n), Rate(0.78, n)) for n in (100_000, 100))
    assert sure is not None
    assert unsure is not None
    assert unsure.high - unsure.low > 1.5 * (sure.high - sure.low)


@pytest.mark.parametrize("truth", [0.0, 0.02, 0.1, 0.5, 0.95])
def test_intervals_cover_the_truth_as_often_as_they_say(truth: float) -> None:
    rng = np.random.default_rng(round(truth * 1000))
    sensitivity, specificity, n_se, n_sp, n, rounds = 0.84, 0.78, 300, 500, 800, 1500
    covered = 0
    for _ in range(rounds):
        se = rng.binomial(n_se, sensitivity) / n_se
        sp = rng.binomial(n_sp, specificity) / n_sp
        called = int(rng.binomial(n, truth * sensitivity + (1 - truth) * (1 - specificity)))
        found = estimate(called, n, Rate(se, n_se), Rate(sp, n_sp))
        assert found is not None
        covered += found.low <= truth <= found.high
    assert covered / rounds >= 0.93


def test_nothing_is_said_where_nothing_can_be() -> None:
    assert estimate(0, 0, Rate(0.9, 100), Rate(0.9, 100)) is None
    assert estimate(5, 10, Rate(0.5, 100), Rate(0.5, 100)) is None


def test_photos_of_few_shops_weigh_less_than_their_number() -> None:
    rate = Rate.of(Estimate(value=0.8, low=0.7, high=0.9), 10_000)
    assert rate is not None
    assert rate.weight == pytest.approx(0.16 / (0.2 / 3.92) ** 2, rel=0.01)
    assert Rate.of(Estimate(value=0.8), 500) == Rate(0.8, 500)
    assert Rate.of(Estimate(value=None), 500) is None


def test_rates_are_those_of_unseen_shops_under_the_policy_in_use() -> None:
    figures = {name: Estimate(value=value) for name, value in (("recall", 0.8), ("specificity", 0.7))}
    common = {"tier": "clean", "photos": 100, "fakes": 40, "review_share": 0.1}
    report = ModelReport(
        model_name="m",
        model_version="1",
        curves=(),
        policies=(
            PolicyFigures(
                dataset="test", policy="balanced", figures={"recall": Estimate(value=0.99)}, **common
            ),
            PolicyFigures(dataset="unseen", policy="balanced", figures=figures, **common),
        ),
    )
    assert error_rates(report, "balanced") == (Rate(0.8, 40), Rate(0.7, 60))
    assert error_rates(report, "high_recall") is None
