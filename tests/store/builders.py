"""Records as tests need them."""

from __future__ import annotations

import hashlib
from typing import Any

from src.store.records import Claim, Feedback, PhotoFacts, PredictionRecord


def a_record(**changes: Any) -> PredictionRecord:
    fields: dict[str, Any] = {
        "sha256": hashlib.sha256(b"photo").hexdigest(),
        "label": "real",
        "probability": 0.4,
        "logit": -0.4,
        "threshold": 0.5,
        "policy": "balanced",
        "needs_review": True,
        "model_version": "1.0.0",
        "api_key_id": "0123456789ab",
        "evidence": {"signals": [{"kind": "software", "detail": {"name": "Ünïcode ✓"}}]},
        "facts": PhotoFacts(format="JPEG", width=640, height=480, bytes=12_345),
        "timings_ms": {"decode": 1.25},
        "embedding": bytes(range(256)),
    }
    return PredictionRecord(**(fields | changes))


def a_claim(body: bytes = b"body", **changes: Any) -> Claim:
    fields: dict[str, Any] = {"key": "order-17", "owner": "a", "body_hash": hashlib.sha256(body).hexdigest()}
    return Claim(**(fields | changes))


def a_feedback(prediction_id: str, **changes: Any) -> Feedback:
    return Feedback(**({"prediction_id": prediction_id, "true_label": "real", "reviewer": "ana"} | changes))
