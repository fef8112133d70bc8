"""Class activation maps of a photo's views in, one coarse grid over the upright photo out.

The map is exact, not an approximation: it is the network's own linear head at each place of the last feature
map (Zhou et al. 2016), so the mean of a view's map is the view's logit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from src.imaging.views import Box
from src.utils.model_card import Calibration

Grid = list[list[float]]
"""Rows of cells, top left first."""

GRID = 8
"""Cells along each side of the grid."""


def overlap(start: float, stop: float, cells: int, grid: int = GRID) -> NDArray[np.float64]:
    """Measure, along one axis, how much of each grid cell each cell of a view covers.

    Args:
        start: Where the view begins, as a fraction of the photo.
        stop: Where it ends.
        cells: Number of the view's cells between the two.
        grid: Number of grid cells over the whole photo.

    Returns:
        float64 [grid, cells], shares of a grid cell: 1 where a view's cell covers it whole.
    """
    own = np.linspace(start, stop, cells + 1)
    edges = np.linspace(0.0, 1.0, grid + 1)
    low = np.maximum(edges[:-1, None], own[None, :-1])
    high = np.minimum(edges[1:, None], own[None, 1:])
    covered: NDArray[np.float64] = np.clip(high - low, 0.0, None) * grid
    return covered


def project(cam: NDArray[np.float32], box: Box) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spread one view's map over the photo's grid by area.

    Args:
        cam: float32 [h, w] of one view.
        box: Where the view lies, as fractions of the photo.

    Returns:
        The sum of logits weighted by the covered share, and that share, both float64 [GRID, GRID].
    """
    rows = overlap(box[1], box[3], cam.shape[0])
    columns = overlap(box[0], box[2], cam.shape[1])
    return rows @ cam.astype(np.float64) @ columns.T, np.outer(rows.sum(axis=1), columns.sum(axis=1))


def assemble(
    cams: Sequence[NDArray[np.float32]],
    boxes: Sequence[Box],
    weights: Sequence[float],
    calibration: Calibration,
) -> Grid:
    """Merge the maps of all views into one grid of probabilities.

    Args:
        cams: float32 [h, w] for each view; the mean of each is the view's logit.
        boxes: Where each view lies.
        weights: How much each view counts where it lies.
        calibration: The model's own, so that a cell reads like the photo's probability.

    Returns:
        GRID rows of GRID values in 0..1, top left first: the calibrated probability of "AI-generated" that
        the photo would have if it looked everywhere as it does in this cell. The boxes together must cover
        the photo.
    """
    total = np.zeros((GRID, GRID))
    seen = np.zeros((GRID, GRID))
    for cam, box, weight in zip(cams, boxes, weights, strict=True):
        logits, share = project(cam, box)
        total += weight * logits
        seen += weight * share
    grid: Grid = calibration.probability(total / seen).round(4).tolist()
    return grid
