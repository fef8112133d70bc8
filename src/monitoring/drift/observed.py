"""Rows of the store become observations: what is kept of each of the latest photos, and what charts take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from src.monitoring.drift.inputs import input_features
from src.monitoring.drift.reference import Reference
from src.monitoring.drift.space import Features, Sample
from src.monitoring.drift.statistics import Floats
from src.store.live import LiveRow


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """One live photo.

    Attributes:
        id: Of the prediction.
        at: When it was made.
        logit: Before calibration.
        fake: The default policy says `ai_generated`, whatever policy the caller asked for.
        review: A person was asked to look.
        far: Farther from the reference than its 99 % quantile.
        source: API key id.
        reduced: float64 [P].
        format: As the file's bytes tell it; empty when unknown.
        inputs: Long side, quality, bytes per pixel; NaN where unknown.
    """

    id: str
    at: datetime
    logit: float
    fake: bool
    review: bool
    far: bool
    source: str | None
    reduced: Floats
    format: str
    inputs: tuple[float, float, float]


def observe(rows: Sequence[LiveRow], reference: Reference) -> tuple[list[Observed], Features]:
    """Shape rows; those without a usable embedding are left out.

    Returns:
        N photos, and their features.
    """
    usable, embedding = _embeddings(rows, len(reference.centre))
    facts = [row.facts or {} for row in usable]
    formats = np.array([str(each.get("format", "")) for each in facts], dtype="U12")
    width, height, quality, size = (
        np.array([_number(each.get(name)) for each in facts], dtype=np.float64)
        for name in ("width", "height", "quality", "bytes")
    )
    density = size / (width * height)
    reduced = reference.reduce(embedding)
    logit = np.array([row.logit for row in usable], dtype=np.float64)
    inputs = input_features(formats, width, height, quality, density)
    features = reference.space.features(Sample(reduced, logit, inputs))
    photos = [
        Observed(
            id=row.id,
            at=row.created_at,
            logit=row.logit,
            fake=row.logit >= reference.facts.cut,
            review=row.needs_review,
            far=bool(features.far[place]),
            source=row.api_key_id,
            reduced=reduced[place],
            format=str(formats[place]),
            inputs=(max(width[place], height[place]), quality[place], density[place]),
        )
        for place, row in enumerate(usable)
    ]
    return photos, features


def _embeddings(rows: Sequence[LiveRow], dimension: int) -> tuple[list[LiveRow], NDArray[np.float32]]:
    """The rows whose embedding is usable, and their embeddings, float32 [N, D]."""
    usable, vectors = [], []
    for row in rows:
        if row.embedding is None or len(row.embedding) != 2 * dimension:
            continue
        vector = np.frombuffer(row.embedding, "<f2").astype(np.float32)
        if np.isfinite(vector).all():
            usable.append(row)
            vectors.append(vector)
    return usable, np.stack(vectors) if vectors else np.zeros((0, dimension), np.float32)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else np.nan
