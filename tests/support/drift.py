"""Photos of a made-up model: two crowds in a space of embeddings, and a third that nobody has met."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal

import numpy as np

from src.monitoring.drift.bank import Simulation
from src.monitoring.drift.reference import Photos, Reference
from src.store.live import LiveRow

DIMENSION = 48
CUT = 0.0
FAST = Simulation(photos_between_alarms=1_000_000.0, replicates=6, streams=24, photos=2_000)
START = datetime(2026, 1, 1, tzinfo=UTC)

Kind = Literal["real", "fake", "new"]


def draw(kinds: list[Kind], seed: int, shops: int = 40) -> Photos:
    """Photos of these kinds: embedding and logit tell real from fake; `new` is judged real, and looks odd."""
    rng = np.random.default_rng(seed)
    n = len(kinds)
    kind = np.array(kinds)
    shop = rng.integers(0, shops, n)
    habits = np.random.default_rng(99).normal(0.0, 0.5, (shops, DIMENSION))
    embedding = rng.normal(0.0, 1.0, (n, DIMENSION)) + habits[shop]
    # Directions of large variance, as a network's features have them.
    embedding[:, :4] *= 3.0
    embedding[kind == "fake", 0] += 6.0
    embedding[kind == "new", 1] += 7.0
    embedding[kind == "new", 2] += 6.0
    logit = rng.normal(np.where(kind == "fake", 3.0, -3.0), 1.6)
    return Photos(
        embedding=embedding.astype(np.float32),
        logit=logit,
        review=np.abs(logit) < 1.0,
        fake=kind != "real",
        source=shop,
        group=np.arange(n),
        format=np.where(rng.random(n) < 0.7, "JPEG", "PNG"),
        width=np.full(n, 1000.0) + rng.integers(0, 400, n),
        height=np.full(n, 800.0) + rng.integers(0, 400, n),
        quality=np.where(rng.random(n) < 0.7, 85.0, np.nan),
        bytes_per_pixel=rng.uniform(0.1, 0.5, n),
    )


def mixed(n: int, fake: float, seed: int, *, new: float = 0.0) -> list[Kind]:
    """Kinds in these shares, in random order."""
    rng = np.random.default_rng(seed + 10_000)
    chosen = rng.choice(3, n, p=[(1 - new) * (1 - fake), (1 - new) * fake, new])
    names: tuple[Kind, Kind, Kind] = ("real", "fake", "new")
    return [names[each] for each in chosen]


@cache
def reference() -> Reference:
    """A reference of 1,200 photos, half of them AI-generated; made once."""
    return Reference.fit(
        draw(mixed(1200, 0.5, seed=1), seed=1), cut=CUT, model_version="1.0.0", origin="made up", plan=FAST
    )


def rows(photos: Photos, seed: int, start: int = 0) -> list[LiveRow]:
    """The photos as the store gives them, one a second from `start` on."""
    found = []
    for place in range(len(photos.logit)):
        moment = START + timedelta(seconds=start + place)
        quality = photos.quality[place]
        found.append(
            LiveRow(
                id=f"{int(moment.timestamp() * 1000):012x}{place:020x}",
                created_at=moment,
                sha256=hashlib.sha256(f"{seed}/{start}/{place}".encode()).hexdigest(),
                logit=float(photos.logit[place]),
                needs_review=bool(photos.review[place]),
                api_key_id=f"key{photos.source[place] % 3}",
                facts={
                    "format": str(photos.format[place]),
                    "width": int(photos.width[place]),
                    "height": int(photos.height[place]),
                    "bytes": max(
                        1, int(photos.bytes_per_pixel[place] * photos.width[place] * photos.height[place])
                    ),
                    "quality": None if np.isnan(quality) else int(quality),
                },
                embedding=photos.embedding[place].astype("<f2").tobytes(),
            )
        )
    return found
