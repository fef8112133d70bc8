"""What judges a fold must not have seen it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from src.evaluation.crossfit import apply, cross_fit, fit
from src.evaluation.scores import ScoreTable, as_table
from src.utils.errors import DataError
from tests.evaluation.conftest import synthetic_rows


def test_the_labels_of_a_fold_do_not_touch_its_own_verdicts(table: ScoreTable) -> None:
    """Shift one fold's logits: what was fitted for it must stay, what was fitted for all others must move."""
    inside = table.fold == 2
    shifted = replace(
        table,
        global_logit=np.where(inside, table.global_logit * 0.2 + 3, table.global_logit),
        crop_logits=np.where(inside[:, None], table.crop_logits * 0.2 + 3, table.crop_logits),
    )
    _, before = cross_fit(table)
    _, after = cross_fit(shifted)
    assert after[2] == before[2]
    for fold in (0, 1, 3, 4):
        assert after[fold] != before[fold]


def test_a_fold_is_judged_with_what_the_others_teach(table: ScoreTable) -> None:
    judged, fitted = cross_fit(table)
    for fold in range(5):
        inside = table.fold == fold
        others = fit(table.where(~inside))
        assert fitted[fold] == others
        alone = apply(table.where(inside), others.choice, others.calibration, others.policies)
        np.testing.assert_array_equal(judged.table.logit[inside], alone.table.logit)
        np.testing.assert_array_equal(judged.probability[inside], alone.probability)
        for policy in alone.decided:
            np.testing.assert_array_equal(judged.decided[policy][inside], alone.decided[policy])
            np.testing.assert_array_equal(judged.review[policy][inside], alone.review[policy])


def test_labels_without_signal_are_not_flattered() -> None:
    """Fitted on all photos, a threshold on noise looks better than chance; cross-fitted, it must not."""
    inflated, honest = [], []
    for seed in range(8):
        noise = as_table(synthetic_rows(shops=20, photos=3, signal=0.0, shop_spread=2.0, seed=seed))
        judged, _ = cross_fit(noise)
        known = fit(noise)
        same = apply(noise, known.choice, known.calibration, known.policies)
        for found, where in ((same, inflated), (judged, honest)):
            decided = found.decided["balanced"]
            where.append((decided[noise.fake].mean() + (~decided[~noise.fake]).mean()) / 2)
    assert np.mean(inflated) > 0.53
    assert np.mean(honest) < np.mean(inflated) - 0.03
    assert np.mean(honest) < 0.55


def test_a_source_in_two_folds_is_refused(table: ScoreTable) -> None:
    fold = table.fold.copy()
    fold[0] = (fold[0] + 1) % 5
    with pytest.raises(DataError, match="more than one fold"):
        cross_fit(replace(table, fold=fold))


def test_one_fold_is_too_few(table: ScoreTable) -> None:
    with pytest.raises(DataError, match="two folds"):
        cross_fit(replace(table, fold=np.zeros(len(table), dtype=np.int64)))


def test_the_band_and_the_threshold_are_those_of_the_detector(table: ScoreTable) -> None:
    fitted = fit(table)
    judged = apply(table, fitted.choice, fitted.calibration, fitted.policies)
    for name, policy in fitted.policies.items():
        for i in range(0, len(table), 37):
            probability = fitted.calibration.probability(float(judged.table.logit[i]))
            assert judged.decided[name][i] == policy.is_fake(probability)
            assert judged.review[name][i] == policy.needs_review(probability)
