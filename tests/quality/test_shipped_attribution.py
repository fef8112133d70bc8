"""The attributor beside the shipped model is of this very model, and the one that its report judged."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from src.evaluation.card import network_hash, read_card
from src.inference.attribution import Attributor, attribution_path, attributor_beside

REPO = Path(__file__).resolve().parents[2]
MODEL = REPO / "models" / "detector.onnx"
REPORT = REPO / "reports" / "detector" / "attribution.json"


def test_the_shipped_attributor_belongs_to_the_shipped_model_and_its_report() -> None:
    path = attribution_path(MODEL)
    found = attributor_beside(MODEL, read_card(MODEL))
    assert isinstance(found, Attributor), "fit it anew: python -m src.evaluation.attribution"
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    content = path.read_bytes()
    assert len(content) < 200_000
    assert hashlib.sha256(content).hexdigest() == report["sha256"]
    assert report["network"] == network_hash(MODEL)
    assert list(found.facts.named) == report["named_families"]


def test_a_family_is_named_only_where_the_report_shows_it_right_often_enough() -> None:
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    if report["named_families"]:
        assert report["precision"]["value"] >= report["floor"] - 0.05
    else:
        assert report["real_named"] == 0.0
