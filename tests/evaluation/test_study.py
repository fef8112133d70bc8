from __future__ import annotations

import json

import numpy as np
import pytest

from src.evaluation.study import judge, main, paired_gain, recall_at
from src.utils.errors import DataError
from tests.evaluation.conftest import as_table, synthetic_rows, write_folds


def _variant(folder, signal, folds=5):
    rows = [row for row in synthetic_rows(signal=signal, shop_spread=1.5) if row.fold < folds]
    folder.mkdir(parents=True)
    write_folds(folder, rows)
    for fold in range(folds):
        (folder / "folds" / str(fold)).mkdir(parents=True)
        cost = {"steps": 40, "seconds": 60.0, "device": "cpu", "threads": 1}
        (folder / "folds" / str(fold) / "run.json").write_text(json.dumps(cost))
    return folder


def test_the_better_variant_gains_on_the_same_photos(tmp_path, capsys):
    plain = _variant(tmp_path / "plain", 0.6)
    better = _variant(tmp_path / "better", 1.4, folds=2)
    assert main([str(plain), str(better), "--out", str(tmp_path / "report")]) == 0
    study = json.loads((tmp_path / "report" / "study.json").read_text())
    first, second = study["variants"]
    assert first["gain"] is None
    assert second["gain"]["low"] > 0
    assert second["folds"] == [0, 1]
    assert second["photos"] < first["photos"]
    assert second["seconds_per_step"] == 1.5
    page = (tmp_path / "report" / "study.md").read_text()
    assert "| plain | 0 1 2 3 4 | 240 | 40 | 1.50 |" in page
    assert page in capsys.readouterr().out.replace("make study", study["command"])
    assert (tmp_path / "report" / "study.png").stat().st_size > 1000


def test_a_variant_gains_nothing_over_itself():
    table = as_table(sorted(synthetic_rows(tiers=("clean",)), key=lambda row: row.photo_id))
    gain = paired_gain(table, table)
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)


def test_recall_with_few_false_positives_is_counted_by_hand():
    fake = np.array([True, True, False, True, False, False, False])
    score = np.array([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0])
    even = np.ones((1, 7))
    assert recall_at(fake, score, even, 0.0)[0] == pytest.approx(2 / 3)
    assert recall_at(fake, score, even, 0.25)[0] == 1.0


def test_a_variant_without_its_costs_is_refused(tmp_path):
    folder = _variant(tmp_path / "plain", 1.0, folds=1)
    (folder / "folds" / "0" / "run.json").write_text("{}")
    with pytest.raises(DataError, match="cost"):
        judge(folder, None)
