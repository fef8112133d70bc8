"""Score tables on disk and in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.evaluation.scores import as_table, read_scores, write_scores
from src.utils.errors import DataError
from tests.evaluation.conftest import synthetic_rows


def test_a_table_survives_the_disk(tmp_path: Path) -> None:
    rows = synthetic_rows(shops=3, photos=2)
    write_scores(tmp_path / "deep" / "x.csv", rows)
    assert read_scores(tmp_path / "deep" / "x.csv") == rows


def test_each_crop_keeps_its_logit_and_fewer_crops_leave_gaps(tmp_path: Path) -> None:
    row = synthetic_rows(shops=1, photos=1)[0]
    rows = [
        row.model_copy(update={"photo_id": str(len(crops)), "crop_logits": crops})
        for crops in ((), (1.5,), (0.25, -3.0))
    ]
    write_scores(tmp_path / "x.csv", rows)
    again = read_scores(tmp_path / "x.csv")
    assert again == rows
    np.testing.assert_array_equal(
        as_table(again).crop_logits, [[np.nan, np.nan], [1.5, np.nan], [0.25, -3.0]]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("photo_id,label", "photo,label"), "no score table"),
        (("real", "perhaps"), "label"),
        (("clean", "muddy"), "tier"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "x.csv"
    write_scores(path, synthetic_rows(shops=2, photos=1))
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(DataError, match=message):
        read_scores(path)


def test_a_missing_table_and_a_broken_logit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no score table"):
        read_scores(tmp_path / "x.csv")
    for change in ({"logit": float("nan")}, {"global_logit": float("inf")}, {"crop_logits": (float("nan"),)}):
        write_scores(tmp_path / "x.csv", [synthetic_rows(shops=1, photos=1)[0].model_copy(update=change)])
        with pytest.raises(DataError, match="not finite"):
            read_scores(tmp_path / "x.csv")


def test_columns_keep_the_rows_order_and_know_their_families() -> None:
    rows = synthetic_rows(shops=8, photos=1)
    table = as_table(rows)
    assert table.photo_id.tolist() == [row.photo_id for row in rows]
    assert table.tiers == ["clean", "web", "hard"]
    assert set(table.family[table.fake].tolist()) == {"openai", "stable_diffusion", "flux", "google"}
    assert set(table.family[~table.fake].tolist()) == {"camera"}
    assert len(table.of_tier("web")) == len(rows) // 3


def test_a_photo_scored_twice_is_a_mixture_of_models() -> None:
    rows = synthetic_rows(shops=1, photos=1)
    with pytest.raises(DataError, match="twice"):
        as_table(rows + rows[:1])


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        as_table([])
