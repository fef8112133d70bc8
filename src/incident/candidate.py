"""A refitted head becomes a model file with a version, a card and an origin of its own."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from src.evaluation.card import read_card
from src.incident.head import write_head
from src.incident.refit import Refit
from src.utils.model_card import ModelCard

_REFIT = re.compile(r"(?P<base>.+)\+refit\.(?P<number>\d+)")


def next_version(version: str) -> str:
    """`0.1.0` → `0.1.0+refit.1` → `0.1.0+refit.2`: the features' version, and the head's upon it."""
    found = _REFIT.fullmatch(version)
    if found is None:
        return f"{version}+refit.1"
    return f"{found['base']}+refit.{int(found['number']) + 1}"


def grown_hash(data_hash: str, photos: Iterable[str]) -> str:
    """Identity of the old training data together with more photos, by their sha256; order does not matter."""
    digest = hashlib.sha256(data_hash.encode())
    for photo in sorted(photos):
        digest.update(f"\n{photo}".encode())
    return digest.hexdigest()


def refitted_card(card: ModelCard, found: Refit, photos: Iterable[str]) -> ModelCard:
    """The card of a refitted head; figures that were measured of the old one are left out.

    Args:
        card: Of the model whose features stay.
        found: The refit.
        photos: Sha256 of each photo whose label was learnt.
    """
    metrics = {
        "refit_new_photos": float(found.new),
        "refit_known_photos": float(found.known),
        "refit_strength": found.strength,
        "refit_specificity_before": round(found.specificity_before, 4),
        "refit_specificity_out_of_fold": round(found.specificity_after, 4),
    }
    if found.recall_new is not None:
        metrics["refit_recall_new_out_of_fold"] = round(found.recall_new, 4)
    return card.model_copy(
        update={
            "version": next_version(card.version),
            "calibration": found.calibration,
            "policies": found.policies,
            "metrics": metrics,
            "data_hash": grown_hash(card.data_hash, photos),
            "git_commit": code_commit() or card.git_commit,
            "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            # Its charts were fitted on logits of the old head.
            "drift_reference": None,
        }
    )


def write_candidate(champion: Path, target: Path, found: Refit, photos: Iterable[str]) -> ModelCard:
    """Write the refitted model; returns its card.

    Raises:
        ModelError: The new file does not answer as its head says.
    """
    card = refitted_card(read_card(champion), found, photos)
    write_head(champion, target, found.head, card)
    return card


def code_commit() -> str:
    """The commit of the code, marked when the tree holds more than it; empty outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - fixed words
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
