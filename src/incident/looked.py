"""What a network saw of photos, kept on disk: a rehearsal that is begun again does not look twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import structlog

from src.data.manifest import PhotoRecord
from src.evaluation.card import network_hash
from src.imaging.degrade import Tier
from src.incident.seen import Seen, look

log = structlog.get_logger(__name__)


def look_once(
    model: Path, records: Sequence[PhotoRecord], raw: Path, folder: Path, tiers: Sequence[Tier] = ("clean",)
) -> Seen:
    """As `look`, or what it found before of the same photos by the same network.

    Raises:
        DataError: No photo could be used.
        ModelError: The model cannot be loaded.
    """
    named = [network_hash(model), *map(str, tiers), *(each.sha256 for each in records)]
    path = folder / f"{hashlib.sha256(' '.join(named).encode()).hexdigest()[:16]}.npz"
    if path.is_file():
        try:
            return read_seen(path)
        except (BadZipFile, ValueError, KeyError, OSError) as error:
            log.warning("seen_anew", file=path.name, reason=type(error).__name__)
    found = look(model, records, raw, tiers)
    write_seen(path, found)
    return found


def write_seen(path: Path, seen: Seen) -> None:
    """Write a table in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}.part.npz")
    try:
        np.savez(draft, **{item.name: getattr(seen, item.name) for item in fields(Seen)})
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_seen(path: Path) -> Seen:
    """Read a table; raises as NumPy does when it is damaged."""
    with np.load(path, allow_pickle=False) as stored:
        return Seen(**{item.name: stored[item.name] for item in fields(Seen)})
