"""The grid is exact: areas add up, and a view's map lands where the view lies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.inference.heatmap import GRID, assemble, overlap, project
from src.utils.model_card import Calibration

WHOLE = (0.0, 0.0, 1.0, 1.0)
PLAIN = Calibration()


@given(start=st.floats(0, 0.9), length=st.floats(0.01, 1.0), cells=st.integers(1, 40))
def test_shares_add_up_to_the_view(start: float, length: float, cells: int) -> None:
    stop = min(1.0, start + length)
    shares = overlap(start, stop, cells)
    assert shares.shape == (GRID, cells)
    assert shares.sum() / GRID == pytest.approx(stop - start, abs=1e-9)
    assert shares.sum(axis=1).max() <= 1 + 1e-9


def test_a_map_of_the_grids_own_size_is_kept() -> None:
    cam = np.random.default_rng(0).standard_normal((GRID, GRID)).astype(np.float32)
    logits, share = project(cam, WHOLE)
    np.testing.assert_allclose(logits, cam, atol=1e-6)
    np.testing.assert_allclose(share, 1.0)


def test_a_finer_map_is_averaged_by_area() -> None:
    cam = np.arange(256, dtype=np.float32).reshape(16, 16)
    logits, _ = project(cam, WHOLE)
    np.testing.assert_allclose(logits, cam.reshape(8, 2, 8, 2).mean(axis=(1, 3)))


def test_a_hot_corner_lands_in_its_corner() -> None:
    cam = np.full((4, 4), -8.0, np.float32)
    cam[0, 3] = 8.0
    grid = np.array(assemble([cam], [WHOLE], [1.0], PLAIN))
    assert grid[:2, 6:] == pytest.approx(0.9997, abs=1e-4)
    assert np.count_nonzero(grid > 0.5) == 4


def test_views_are_weighted_where_they_overlap_only() -> None:
    low, high = np.zeros((2, 2), np.float32), np.full((2, 2), 4.0, np.float32)
    grid = np.array(assemble([low, high], [WHOLE, (0.0, 0.0, 0.5, 0.5)], [0.25, 0.75], PLAIN))
    assert grid[0, 0] == pytest.approx(PLAIN.probability(3.0), abs=1e-4)
    assert grid[7, 7] == pytest.approx(0.5)


def test_cells_are_calibrated_like_the_photo() -> None:
    calibration = Calibration(temperature=2.0, bias=1.0)
    grid = assemble([np.full((3, 5), -1.0, np.float32)], [WHOLE], [0.5], calibration)
    assert np.array(grid) == pytest.approx(calibration.probability(-1.0), abs=1e-4)
