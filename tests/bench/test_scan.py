"""The benchmark of scans, small, and the plan that is written from it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from bench import scan, scan_plan
from bench.report import Figure, Report
from tests.support.tiny_model import write_tiny_model


@pytest.mark.slow
def test_a_small_bench_tells_every_figure(tmp_path: Path) -> None:
    model = str(write_tiny_model(tmp_path / "tiny.onnx"))
    options = scan.Options(
        python=sys.executable, model=model, rounds=1, photos=40, ray_photos=0, memory_photos=100, different=4,
        width=96, raw_seconds=0.3,
    )  # fmt: skip
    report = scan.measure(options)
    values = {figure.key: figure.value for figure in report.figures}
    assert values["scan_to_raw"] == pytest.approx(values["scan"] / values["raw"])
    assert values["linear"] == pytest.approx(values["scan"] / values["one"])
    assert values["memory_high_mb"] > 10
    assert report.details["listed_per_s"] > 0
    assert report.details["rounds"][0]["row_bytes"] > 10


def a_report(per_core: float) -> dict[str, object]:
    figures = [Figure("per_core", "t", per_core), Figure("linear", "t", 1.9)]
    details = {"cores": 2, "photo_bytes": 200_000, "rounds": [{"row_bytes": 150.0}]}
    report = Report("T", "H", figures, {"cpu": "c", "cores": 2}, details)
    return {"figures": [asdict(figure) for figure in figures], "machine": dict(report.machine), **details}


def test_a_plan_follows_from_the_figures() -> None:
    found = scan_plan.Measured.of(a_report(25.0))
    one = scan_plan.step(10**8, found, scan_plan.Assumed())
    assert one.core_hours == pytest.approx(10**8 / 25 / 3600)
    assert one.machines == 3
    assert one.hours * one.machines * 16 == pytest.approx(one.core_hours)
    assert one.dollars == pytest.approx(one.core_hours * 0.04)
    assert one.request_dollars == pytest.approx(40.0)
    assert one.bottleneck == "cores"
    far = scan_plan.step(10**9, found, scan_plan.Assumed())
    assert far.bottleneck == "listing by one caller"
    assert scan_plan.step(10**8, found, scan_plan.Assumed(gbit=0.1)).bottleneck == "network of a machine"


def test_the_page_is_written_and_known_to_be_stale(tmp_path: Path) -> None:
    page, report = tmp_path / "S.md", tmp_path / "r.json"
    page.write_text("a\n<!-- plan:start -->\nold\n<!-- plan:end -->\nb\n")
    report.write_text(json.dumps(a_report(25.0)))
    arguments = ["--page", str(page), "--report", str(report)]
    assert scan_plan.main([*arguments, "--check"]) == 1
    assert scan_plan.main(arguments) == 0
    assert scan_plan.main([*arguments, "--check"]) == 0
    assert page.read_text().startswith("a\n<!-- plan:start -->\nMeasured")
    assert page.read_text().endswith("<!-- plan:end -->\nb\n")
    with pytest.raises(ValueError, match="marks"):
        scan_plan.with_plan("no marks", "x")
