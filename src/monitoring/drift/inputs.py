"""File facts as numbers: what changes with a shop's camera, a codec or a page, and seldom harms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from src.monitoring.drift.statistics import Floats

_USUAL_QUALITY = 85.0
_USUAL_BYTES = 0.3
_GENERATED_STEP = 32
"""Generators make sides in steps; cameras and shops mostly do not."""


def input_features(
    formats: NDArray[np.str_], width: Floats, height: Floats, quality: Floats, bytes_per_pixel: Floats
) -> Floats:
    """Features float64 [N, K] of N files; what is not known (NaN) counts as usual."""
    width = np.nan_to_num(width, nan=1024.0)
    height = np.nan_to_num(height, nan=1024.0)
    long_side = np.maximum(width, height)
    steps = (width % _GENERATED_STEP == 0) & (height % _GENERATED_STEP == 0)
    quality = np.nan_to_num(quality, nan=_USUAL_QUALITY)
    density = np.nan_to_num(bytes_per_pixel, nan=_USUAL_BYTES)
    return np.column_stack(
        [
            formats == "PNG",
            formats == "WEBP",
            np.log2(long_side),
            np.abs(np.log2(width / height)),
            width == height,
            steps,
            long_side == 1024,
            quality / 10.0,
            quality >= 92,
            np.log2(np.clip(density, 1e-3, 32.0)),
        ]
    ).astype(np.float64)
