"""Timing the detector."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.evaluation.latency import Latency, cpu_name, main, measure
from src.inference.detector import Detector
from src.utils.errors import DataError
from tests.evaluation.conftest import World


def test_the_command_times_photos_on_one_thread(world: World) -> None:
    out = world.root / "deep" / "latency.json"
    assert main([*world.options(), "--select", "all", "--photos", "8", "--out", str(out)]) == 0
    latency = Latency.model_validate_json(out.read_text())
    assert (latency.photos, latency.threads) == (8, 1)
    assert 0 < latency.median_ms <= latency.p95_ms
    assert set(latency.stages_ms) == {"decode", "views", "inference"}
    assert sum(latency.stages_ms.values()) == pytest.approx(latency.median_ms, rel=0.5, abs=5)


def test_unusable_photos_are_left_out_of_the_figures(world: World) -> None:
    detector = Detector.from_file(world.model, threads=1)
    photo = next((world.raw / "originals").iterdir()).read_bytes()
    assert measure(detector, [b"", photo, b"text"]).photos == 1
    with pytest.raises(DataError, match="no photo"):
        measure(detector, [b""])


def test_the_processor_is_named(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: Some CPU @ 2 GHz\n")
    assert cpu_name(info) == "Some CPU @ 2 GHz"
    assert cpu_name(tmp_path / "none") != ""
