"""An attributor for the tiny model: red pictures are flux's, pink ones google's; both lie far from grey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from src.inference.attribution import Attributor, AttributorFacts, Space, attribution_path, identity_of
from src.utils.model_card import ModelCard
from tests.support.tiny_model import FEATURES, GREY


def placed(red: int, blue: int) -> np.ndarray:
    """Where the tiny model puts a plain picture: its first two features are mean red and mean blue."""
    return np.array([(red / 255 - GREY[0]) / GREY[0], (blue / 255 - GREY[2]) / GREY[2]], np.float32)


def tiny_attributor(card: ModelCard, **changes: Any) -> Attributor:
    """Knows flux at (230, 40) and google at (230, 150); `changes` replace facts."""
    facts: dict[str, Any] = {
        "model": identity_of(card),
        "families": ("flux", "google"),
        "named": ("flux", "google"),
        "temperature": 1.0,
        "most_distance": 3.0,
        "least_confidence": 0.8,
        "precision_floor": 0.7,
    }
    projection = np.zeros((FEATURES, 2), np.float32)
    projection[0, 0] = projection[1, 1] = 10.0
    means = np.stack([placed(230, 40), placed(230, 150)]) * 10.0
    return Attributor(
        AttributorFacts(**(facts | changes)), Space(np.zeros(FEATURES, np.float32), projection, means)
    )


def write_tiny_attributor(model: Path, card: ModelCard, **changes: Any) -> Path:
    """Lay one beside a model file."""
    path = attribution_path(model)
    path.write_bytes(tiny_attributor(card, **changes).to_bytes())
    return path
