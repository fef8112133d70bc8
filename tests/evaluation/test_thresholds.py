"""The report that travels with a model: shares at every threshold, intervals, reliability."""

from __future__ import annotations

import numpy as np
import pytest

from src.evaluation.crossfit import cross_fit
from src.evaluation.scores import as_table
from src.evaluation.thresholds import THRESHOLDS, make_curve, reliability
from src.utils.errors import DataError
from src.utils.model_report import Curve, ModelReport, PolicyFigures, beside, read_model_report
from tests.evaluation.conftest import synthetic_rows


@pytest.fixture(scope="module")
def judged():
    return cross_fit(as_table(synthetic_rows()))[0].of_tier("clean")


@pytest.fixture(scope="module")
def curve(judged) -> Curve:
    return make_curve(judged, "unseen", "clean", replicates=60)


def test_each_threshold_has_the_share_of_photos_from_it_on(judged, curve) -> None:
    fake, probability = judged.table.fake, judged.probability
    assert [row.threshold for row in curve.rows] == pytest.approx(THRESHOLDS.tolist())
    for row in curve.rows[::10]:
        called = probability >= row.threshold
        assert row.false_positives.value == pytest.approx(called[~fake].mean(), abs=1e-6)
        assert row.recall.value == pytest.approx(called[fake].mean(), abs=1e-6)
    assert (curve.photos, curve.fakes) == (len(fake), fake.sum())


def test_a_higher_threshold_accuses_fewer_and_finds_fewer(curve) -> None:
    for name in ("false_positives", "recall"):
        values = [getattr(row, name).value for row in curve.rows]
        assert values[0] == 1.0
        assert values == sorted(values, reverse=True)


def test_intervals_hold_their_figure(curve) -> None:
    middle = curve.rows[50]
    for figure in (middle.false_positives, middle.recall):
        assert figure.low is not None
        assert figure.low <= figure.value <= figure.high
    assert any(row.recall.low < row.recall.high for row in curve.rows)


def test_the_same_scores_give_the_same_curve(judged, curve) -> None:
    assert make_curve(judged, "unseen", "clean", replicates=60) == curve


def test_bins_hold_every_photo_once(judged) -> None:
    bins = reliability(judged)
    assert sum(each.real + each.fake for each in bins) == len(judged.table)
    assert [each.probability for each in bins] == sorted(each.probability for each in bins)
    for each in bins:
        assert each.share == pytest.approx(each.fake / (each.real + each.fake), abs=1e-6)


def test_a_tier_without_fakes_has_no_recall(judged) -> None:
    real = judged.where(~judged.table.fake)
    row = make_curve(real, "unseen", "clean", replicates=0).rows[50]
    assert row.recall.value is None
    assert row.false_positives.value == pytest.approx(np.mean(real.probability >= 0.5), abs=1e-6)


def test_a_report_is_read_as_it_was_written(tmp_path, curve) -> None:
    figures = PolicyFigures(
        dataset="unseen", tier="clean", policy="balanced", photos=9, fakes=4, figures={}, review_share=0.1
    )
    report = ModelReport(model_name="m", model_version="1", curves=(curve,), policies=(figures,))
    path = beside(tmp_path / "detector.onnx")
    assert path.name == "detector.report.json"
    assert read_model_report(path) is None
    path.write_text(report.model_dump_json())
    assert read_model_report(path) == report
    assert report.curve("unseen", "clean") == curve
    assert report.curve("test", "clean") is None
    assert report.of_policy("balanced") == figures
    assert report.of_policy("balanced", "test") is None
    path.write_text("{")
    with pytest.raises(DataError, match="is no model report"):
        read_model_report(path)
