"""Embeddings of a made-up network: real photos, fakes that it knows, and a family that it takes for real."""

from __future__ import annotations

import numpy as np

from src.incident.fitting import Examples
from src.incident.head import Head

DIMENSION = 1280
_KNOWN = slice(0, 8)
_NEW = slice(8, 40)
_LATENT = 16


def head() -> Head:
    """Looks only along the axis of the fakes that it knows."""
    weight = np.zeros(DIMENSION)
    weight[_KNOWN] = 0.25
    return Head(weight, -3.0)


def crowd(real: int, known: int, new: int, seed: int = 0, shops: int = 12) -> Examples:
    """So many photos of each kind; the new family stands apart along an axis of its own."""
    rng = np.random.default_rng(seed)
    n = real + known + new
    kind = np.repeat(["real", "known", "new"], [real, known, new])
    # A network's features move together along few directions.
    mixing = np.random.default_rng(77).normal(0.0, 0.25, (_LATENT, DIMENSION))
    embedding = rng.normal(0.0, 1.0, (n, _LATENT)) @ mixing + rng.normal(0.0, 0.1, (n, DIMENSION))
    embedding[:, _KNOWN] += rng.normal(np.where(kind == "known", 3.6, 0.6), 0.6)[:, None]
    embedding[:, _NEW] += rng.normal(np.where(kind == "new", 3.5, 0.0), 0.6)[:, None]
    shop = rng.integers(0, shops, n)
    source = np.char.add(np.char.add(kind, "-"), shop.astype(np.str_))
    group = np.char.add(np.char.add(source, ":"), np.arange(n).astype(np.str_))
    return Examples(embedding.astype(np.float32), kind != "real", source, group)
