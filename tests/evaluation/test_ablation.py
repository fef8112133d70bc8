"""The comparison of views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from src.evaluation.ablation import view_ablation, view_grid
from src.evaluation.scores import ScoreTable, as_table
from tests.evaluation.conftest import synthetic_rows


def test_useless_crops_show_as_useless(table: ScoreTable) -> None:
    noise = np.random.default_rng(0).normal(0, 2, len(table))
    blind = replace(table, crop_logits=noise[:, None])
    test = as_table(synthetic_rows(seed=1, split="test"))
    rows = {(row.dataset, row.tier, row.views): row for row in view_ablation(blind, test, replicates=20)}
    assert len(rows) == 2 * 3 * 4
    whole, crops, both = (
        rows["unseen", "clean", views].auroc.value or 0
        for views in ("global only", "crops only", "all, evenly")
    )
    assert crops == pytest.approx(0.5, abs=0.1)
    assert crops < both < whole
    assert rows["unseen", "clean", "chosen"].auroc.value == pytest.approx(whole, abs=1e-3)
    assert max(view_grid(blind), key=lambda point: point.auroc).global_weight >= 0.9
    assert rows["unseen", "clean", "crops only"].balanced_accuracy.value == pytest.approx(0.5, abs=0.1)
    assert set(rows["test", "hard", "chosen"].auroc_by_style) == {"seller", "studio", "render"}


def test_without_crops_there_is_nothing_to_compare(table: ScoreTable) -> None:
    assert view_ablation(replace(table, crop_logits=np.zeros((len(table), 0)))) == []
