"""What a run is: its configuration and the very photos it trains on. Nothing of another run is continued."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import structlog

from src.training.cache import CachedPhoto
from src.training.config import TrainConfig

log = structlog.get_logger(__name__)

CHECKPOINT = "checkpoint.pt"
BEST = "best.pt"
TRACKED_RUN = "mlflow_run_id"
MODEL = "model.onnx"
COST = "run.json"
_IDENTITY = "run_identity"
# How fast and where a run is done is no part of what it is.
_INCIDENTAL: dict[str, bool | set[str]] = {
    "data": {"raw", "cache", "manifest", "splits"},
    "output": True,
    "tracking_uri": True,
    "experiment": True,
    "threads": True,
    "loader_workers": True,
    "checkpoint_every": True,
}


def run_identity(config: TrainConfig, photos: Sequence[CachedPhoto]) -> str:
    """Hex digest of the configuration and of the training photos, each with the form it was decoded from."""
    settings = config.model_dump_json(exclude=_INCIDENTAL)
    lines = [settings, *sorted(f"{photo.record.label} {photo.path.name}" for photo in photos)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def claim_output(output: Path, identity: str) -> None:
    """Make the folder this run's own: what another run left there is removed, what this one left stays."""
    output.mkdir(parents=True, exist_ok=True)
    note = output / _IDENTITY
    if note.exists() and note.read_text() == identity:
        return
    leftovers = [name for name in (CHECKPOINT, BEST, TRACKED_RUN, MODEL) if (output / name).exists()]
    if leftovers:
        log.warning("another_run_removed", output=str(output), files=leftovers)
    for name in leftovers:
        (output / name).unlink()
    note.write_text(identity)
