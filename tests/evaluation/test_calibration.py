"""Temperature and bias: a known truth is recovered, and large shops are damped."""

from __future__ import annotations

import numpy as np
import pytest

from src.evaluation.calibration import damped_weights, fit_calibration
from src.utils.errors import DataError
from src.utils.model_card import Calibration


def drawn(truth: Calibration, count: int = 40_000, scale: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels for which `truth` is the right calibration."""
    rng = np.random.default_rng(0)
    logit = rng.normal(0, scale, count)
    return rng.random(count) < truth.probability(logit), logit


@pytest.mark.parametrize(
    "truth",
    [
        Calibration(temperature=1.0, bias=0.0),
        Calibration(temperature=2.5, bias=-0.8),
        Calibration(temperature=0.4, bias=0.5),
    ],
)
def test_a_known_calibration_is_recovered(truth: Calibration) -> None:
    fake, logit = drawn(truth)
    found = fit_calibration(fake, logit, np.ones(len(fake)))
    assert found.temperature == pytest.approx(truth.temperature, rel=0.05)
    assert found.bias == pytest.approx(truth.bias, abs=0.06)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_unit_of_the_logits_does_not_matter(scale: float) -> None:
    fake, logit = drawn(Calibration(temperature=2.0, bias=0.3), count=4000)
    plain = fit_calibration(fake, logit, np.ones(len(fake)))
    scaled = fit_calibration(fake, logit * scale, np.ones(len(fake)))
    assert scaled.temperature == pytest.approx(plain.temperature * scale, rel=0.02)
    assert scaled.bias == pytest.approx(plain.bias, abs=0.01)


def test_labels_that_can_be_parted_perfectly_stay_finite() -> None:
    logit = np.concatenate([np.full(20, -5.0), np.full(20, 5.0)])
    fake = logit > 0
    found = fit_calibration(fake, logit, np.ones(40))
    assert 0.5 < found.probability(5.0) < 1.0
    assert found.probability(5.0) == pytest.approx(21 / 22, abs=1e-3)


def test_logits_that_say_nothing_give_one_half_everywhere() -> None:
    rng = np.random.default_rng(1)
    fake = np.arange(2000) % 2 == 0
    found = fit_calibration(fake, rng.normal(0, 1, 2000), np.ones(2000))
    assert found.probability(np.array([-2.0, 2.0])) == pytest.approx([0.5, 0.5], abs=0.15)


def test_classes_weigh_evenly_and_large_shops_are_damped() -> None:
    fake = np.array([False] * 500 + [True] * 20)
    source = np.array(["large"] * 400 + [f"small-{i // 4}" for i in range(100)] + ["fakes"] * 20)
    weights = damped_weights(fake, source)
    assert weights[fake].sum() == pytest.approx(0.5)
    assert weights[~fake].sum() == pytest.approx(0.5)
    large, small = weights[:400].sum(), weights[400:404].sum()
    assert large / small == pytest.approx(10)  # 100 times the photos
    evenly = damped_weights(fake, source, damping=1.0)
    assert evenly[:400].sum() == pytest.approx(evenly[400:404].sum())


def test_a_large_strange_shop_moves_the_fit_less_than_its_photos_would() -> None:
    rng = np.random.default_rng(2)
    fake = np.concatenate([np.arange(2000) % 2 == 0, np.zeros(4000, dtype=bool)])
    logit = np.concatenate(
        [np.where(fake[:2000], 2.0, -2.0) + rng.normal(0, 1.5, 2000), rng.normal(3, 1, 4000)]
    )
    source = np.concatenate([(np.arange(2000) // 10).astype(str), np.full(4000, "strange")])
    honest = fit_calibration(fake[:2000], logit[:2000], np.ones(2000))
    by_photo = fit_calibration(fake, logit, np.where(fake, 0.5 / fake.sum(), 0.5 / (~fake).sum()))
    damped = fit_calibration(fake, logit, damped_weights(fake, source))
    probe = 2.0
    assert abs(damped.probability(probe) - honest.probability(probe)) < abs(
        by_photo.probability(probe) - honest.probability(probe)
    )


@pytest.mark.parametrize("fake", [np.ones(3, bool), np.zeros(3, bool)])
def test_a_single_label_is_refused(fake: np.ndarray) -> None:
    with pytest.raises(DataError):
        fit_calibration(fake, np.zeros(3), np.ones(3))
    with pytest.raises(DataError):
        damped_weights(fake, np.array(["a", "b", "c"]))


def test_a_broken_logit_is_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        fit_calibration(np.array([True, False]), np.array([np.nan, 0.0]), np.ones(2))
