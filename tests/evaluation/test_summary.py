"""The small file that DVC compares holds the report's own figures."""

from __future__ import annotations

import json
from pathlib import Path

from src.evaluation.summary import main
from tests.support.registry import judged_model


def test_figures_are_the_reports(tmp_path: Path) -> None:
    _, report = judged_model(tmp_path, metrics={("unseen", "hard", "balanced", "auroc"): 0.7654321})
    out = tmp_path / "deep" / "metrics.json"
    assert main(["--report", str(report), "--out", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert figures["unseen"]["hard"]["auroc"] == 0.76543
    assert figures["test"]["clean"]["ece"] == 0.04
    assert set(figures["test"]) == {"clean", "web", "hard"}
