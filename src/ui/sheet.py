"""The evidence sheet of one verdict: its facts, and the same as JSON for machines."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from src.client import Explanation, Prediction
from src.ui.strings import inspect as text
from src.ui.wording import file_name


def sheet(
    found: Prediction, explained: Explanation | None, *, name: str, photo: bytes | None, when: datetime
) -> dict[str, Any]:
    """Gather the facts of a verdict.

    Args:
        found: The verdict.
        explained: Where it comes from, if that is known.
        name: The file's name as it was uploaded.
        photo: The bytes that were judged, if they went through this page.
        when: The moment of the verdict.
    """
    stability = None if found.evidence is None else found.evidence.stability
    attribution = None if explained is None else explained.attribution
    return {
        "title": text.SHEET_TITLE,
        "caveat": text.SHEET_CAVEAT,
        "created_at": when.isoformat(timespec="seconds"),
        "photo": {
            "name": file_name(name),
            "bytes": None if photo is None else len(photo),
            "sha256": None if photo is None else hashlib.sha256(photo).hexdigest(),
        },
        "verdict": found.model_dump(mode="json", exclude={"evidence", "source"}),
        "stability": None if stability is None else stability.model_dump(mode="json"),
        "attribution": None if attribution is None else attribution.model_dump(mode="json"),
        "heatmap": None if explained is None else [list(row) for row in explained.grid],
    }


def as_json(facts: dict[str, Any]) -> bytes:
    """Return the sheet as JSON in UTF-8."""
    return (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode()
