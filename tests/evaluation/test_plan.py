"""The choice of views: combined as serving combines them, the best found, and not judged on itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from src.evaluation.crossfit import cross_fit, fit
from src.evaluation.metrics import auroc
from src.evaluation.plan import Choice, choice_of, choose, combined, grid, mean_auroc, replan
from src.evaluation.scores import ScoreTable, as_table
from src.imaging.views import combine_logits
from src.utils.errors import DataError
from src.utils.model_card import ViewPlan
from tests.evaluation.conftest import synthetic_rows


def with_crops(table: ScoreTable, noise: list[float], *, whole: float = 1.0) -> ScoreTable:
    """Views of `logit` with so much noise each: the global view, then a crop for each entry."""
    rng = np.random.default_rng(5)
    crops = table.logit[:, None] + rng.normal(0, 1, (len(table), len(noise))) * np.array(noise)
    return replace(table, global_logit=table.logit + rng.normal(0, whole, len(table)), crop_logits=crops)


def test_logits_are_combined_as_serving_does() -> None:
    rows = [
        row.model_copy(update={"crop_logits": (1.0, -2.0, 4.0)[: 1 + i % 3]})
        for i, row in enumerate(synthetic_rows(shops=4, photos=3))
    ]
    table = as_table(rows)
    for choice in (Choice(0, 1.0), Choice(1, 0.3), Choice(2, 0.0), Choice(3, 0.85)):
        plan = choice.of(ViewPlan())
        assert choice_of(plan) == choice
        expected = [
            combine_logits(plan, row.global_logit, list(row.crop_logits[: choice.crops])) for row in rows
        ]
        np.testing.assert_allclose(combined(table, choice), expected)
        np.testing.assert_array_equal(replan(table, choice).logit, combined(table, choice))


def test_every_weight_of_every_number_of_crops_is_tried_once() -> None:
    tried = grid(3)
    assert len(tried) == len(set(tried)) == 1 + 3 * 20
    assert {choice.global_weight for choice in tried} == {round(0.05 * i, 2) for i in range(21)}
    assert grid(0) == [Choice(0, 1.0)]


def test_a_useless_global_view_loses_its_weight(table: ScoreTable) -> None:
    assert choose(with_crops(table, [0.5], whole=30)).global_weight <= 0.05
    assert choose(with_crops(table, [30, 30], whole=0.1)).crops == 0


def test_the_choice_is_the_best_but_for_a_plateau(table: ScoreTable) -> None:
    views = with_crops(table, [3.0, 3.0, 3.0, 3.0], whole=3.0)
    values = {choice: mean_auroc(views, combined(views, choice)) for choice in grid(4)}
    chosen = choose(views)
    assert values[chosen] >= max(values.values()) - 0.0005
    assert chosen.crops >= 2
    by_tier = [auroc(part.fake, combined(part, chosen)) for part in map(views.of_tier, views.tiers)]
    assert values[chosen] == pytest.approx(np.mean(by_tier))


def test_a_crop_that_brings_nothing_is_not_paid_for(table: ScoreTable) -> None:
    views = with_crops(table, [0.5], whole=0.5)
    same = replace(views, crop_logits=np.repeat(views.crop_logits, 4, axis=1))
    assert choose(same).crops <= 1


def test_the_choice_for_a_fold_does_not_look_at_it(table: ScoreTable) -> None:
    """Only in fold 2 are the crops worth anything: for it alone they are not chosen."""
    inside = table.fold == 2
    noise = np.random.default_rng(1).normal(0, 8, len(table))
    views = replace(table, crop_logits=np.where(inside, 20 * table.fake, noise)[:, None])
    judged, fitted = cross_fit(views)
    assert fitted[2].choice == choose(views.where(~inside))
    expected = combined(views.where(inside), fitted[2].choice)
    np.testing.assert_array_equal(judged.table.logit[inside], expected)
    assert fit(views, Choice(1, 0.0)).choice == Choice(1, 0.0)


def test_crops_that_were_not_scored_are_not_made_up(table: ScoreTable) -> None:
    bare = replace(table, crop_logits=np.zeros((len(table), 0)))
    with pytest.raises(DataError, match="no crops"):
        combined(bare, Choice(1, 0.5))
    assert choose(bare) == Choice(0, 1.0)
    mixed = table.crop_logits.copy()
    mixed[0] = np.nan
    with pytest.raises(DataError, match="mixed"):
        choose(replace(table, crop_logits=mixed))
