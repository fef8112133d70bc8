"""The verdict that the README shows: what the shipped model says of a picture that is drawn here.

It has the fields of the service's reply, so that the README promises nothing that the service does not give.
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from src.inference.detector import Detector

# Times differ between machines, the id between requests: neither makes a shown verdict stale.
INCIDENTAL = ("id", "timings_ms", "request_id")
TOLERANCE = 2e-3
_ID = "01a2126c5b7e7d3a9c0e4f5a6b7c8d9e"
_REQUEST_ID = "5f0c1d2e3a4b4c5d8e9f0a1b2c3d4e5f"
_SIZE = (1200, 900)


def drawn_product() -> bytes:
    """A cup-like thing on a lit table, as a PNG: the same pixels on every machine."""
    width, height = _SIZE
    across, down = np.arange(width)[None, :], np.arange(height)[:, None]
    # Integer arithmetic alone: no library's rounding can change the picture.
    grain = (across * 7919 + down * 104_729 + across * down * 31) % 23 - 11
    light = 130 + across * 60 // width + down * 40 // height + grain
    image = Image.fromarray(np.stack([light, light - 6, light - 14], axis=-1).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((330, 690, 900, 790), fill=(96, 92, 88))
    draw.rectangle((400, 260, 780, 720), fill=(176, 58, 46))
    draw.ellipse((400, 660, 780, 780), fill=(160, 50, 40))
    draw.ellipse((400, 200, 780, 320), fill=(226, 214, 200))
    draw.ellipse((430, 220, 750, 300), fill=(70, 44, 30))
    draw.arc((720, 360, 920, 620), -100, 100, fill=(176, 58, 46), width=44)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def make_verdict(detector: Detector) -> dict[str, Any]:
    """The fields of the service's reply for the drawn picture."""
    photo = drawn_product()
    detector.detect(photo)  # the second call is timed as a warm service would be
    detection = detector.detect(photo)
    return {
        "id": _ID,
        "stored": True,
        "label": detection.label,
        "probability": round(detection.probability, 4),
        "confidence": round(detection.confidence, 4),
        "needs_review": detection.needs_review,
        "threshold": round(detection.threshold, 4),
        "policy": detection.policy,
        "model_version": detection.model_version,
        "timings_ms": {stage: round(value, 1) for stage, value in detection.timings_ms.items()},
        # A drawing's own file says nothing of its origin: what is left is the verdict by pixels.
        "provenance": {"label": detection.label, "basis": "pixels", "needs_review": False, "signals": []},
        "request_id": _REQUEST_ID,
    }


def render_verdict(verdict: dict[str, Any]) -> str:
    """A block of JSON for the README, one field a line."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in verdict.items())
    return f"```json\n{{\n{lines}\n}}\n```"


def parse_verdict(block: str) -> dict[str, Any] | None:
    """The verdict in a block of the README; None when it holds none."""
    text = block.strip().removeprefix("```json").removesuffix("```")
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def same_verdict(shown: dict[str, Any] | None, fresh: dict[str, Any]) -> bool:
    """Whether two verdicts agree but for times and ids; processors differ in a probability's last digits."""
    if shown is None or list(shown) != list(fresh):
        return False
    return all(_same(shown[name], fresh[name]) for name in fresh if name not in INCIDENTAL)


def _same(shown: object, fresh: object) -> bool:
    if isinstance(fresh, float) and isinstance(shown, int | float):
        return abs(shown - fresh) <= TOLERANCE
    return shown == fresh
