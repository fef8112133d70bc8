"""Slices: the right rows, the right figure, styles apart."""

from __future__ import annotations

import numpy as np
import pytest

from src.evaluation.capture import Capture
from src.evaluation.crossfit import Applied, apply, fit
from src.evaluation.metrics import auroc
from src.evaluation.scores import ScoreTable
from src.evaluation.slices import make_slices


@pytest.fixture
def clean(table: ScoreTable) -> Applied:
    fitted = fit(table)
    return apply(table, fitted.choice, fitted.calibration, fitted.policies).of_tier("clean")


def test_each_axis_has_its_values_and_its_figure(clean: Applied) -> None:
    rows = make_slices(clean, min_photos=10, replicates=50)
    by_axis: dict[str, set[str]] = {}
    for row in rows:
        by_axis.setdefault(row.axis, set()).add(row.name)
    assert by_axis["style"] == {"seller", "studio", "render"}
    assert by_axis["family"] == {"openai", "stable_diffusion", "flux", "google"}
    assert by_axis["generator"] == {"gpt_image_2", "sd15", "flux1_dev", "gemini_3_pro_image"}
    assert by_axis["category"] == by_axis["product"] == {"food", "home"}
    assert len(by_axis["source"]) == 20
    labels = {row.axis: {each.label for each in rows if each.axis == row.axis} for row in rows}
    assert labels == {
        "style": {"real"},
        "family": {"ai_generated"},
        "generator": {"ai_generated"},
        "category": {"both"},
        "source": {"real", "ai_generated"},
        "product": {"real"},
    }


def test_figures_of_a_slice_by_hand(clean: Applied) -> None:
    table, decided = clean.table, clean.decided["balanced"]
    rows = {(row.axis, row.name): row for row in make_slices(clean, min_photos=1, replicates=50)}
    studio = table.style == "studio"
    row = rows["style", "studio"]
    assert row.photos == np.count_nonzero(studio)
    assert row.right["balanced"].value == pytest.approx(np.mean(~decided[studio]))
    assert row.auroc.value == pytest.approx(
        auroc(table.fake[studio | table.fake], table.logit[studio | table.fake])
    )
    assert row.auroc.low is not None
    flux = table.family == "flux"
    assert rows["family", "flux"].right["balanced"].value == pytest.approx(np.mean(decided[flux]))
    food = table.category == "food"
    expected = (np.mean(decided[food & table.fake]) + np.mean(~decided[food & ~table.fake])) / 2
    assert rows["category", "food"].right["balanced"].value == pytest.approx(expected)
    shop = rows["source", "shop-4"]
    assert shop.sources == 1
    assert shop.right["balanced"].low is None  # one shop: no interval over shops


def test_small_slices_are_left_out(clean: Applied) -> None:
    assert make_slices(clean, ("source",), min_photos=13, replicates=10) == []


def test_real_photos_are_sliced_by_how_their_files_were_made(clean: Applied) -> None:
    table, decided = clean.table, clean.decided["balanced"]
    phone, web = Capture(4000, 3000, 2_000_000, 92), Capture(400, 300, 9_000, 60)
    half = np.arange(len(table)) % 2 == 0
    captures = {str(name): phone if even else web for name, even in zip(table.photo_id, half, strict=True)}
    lost = str(table.photo_id[np.flatnonzero(~table.fake & half)[0]])
    del captures[lost]
    rows = make_slices(clean, ("resolution", "compression"), 1, replicates=10, captures=captures)
    # In the order of the bands, not of their names.
    assert [row.name for row in rows] == [
        *("below 500 px", "3000 px and more"),
        *("JPEG, quality below 75", "JPEG, quality 85 to 94"),
    ]
    small, large = ~table.fake & ~half, ~table.fake & half & (table.photo_id != lost)
    for row, mask in zip(rows, (small, large, small, large), strict=True):
        assert row.label == "real"
        assert row.photos == np.count_nonzero(mask)
        assert row.right["balanced"].value == pytest.approx(np.mean(~decided[mask]))
    assert make_slices(clean, ("resolution", "compression"), 1, replicates=10) == []
