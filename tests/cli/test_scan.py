"""`detector scan`: its summary, its exit codes, and that a sample is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from src.cli import app
from src.utils.model_report import Estimate, ModelReport, PolicyFigures, beside
from tests.support.pictures import photo_bytes
from tests.support.tiny_model import write_tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "in"
    found.mkdir()
    for number in range(10):
        (found / f"{number}.jpg").write_bytes(photo_bytes(number) if number else b"no photo")
    return found


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with a report beside it that says how often it errs."""
    path = write_tiny_model(tmp_path / "tiny.onnx")
    figures = {name: Estimate(value=0.9, low=0.85, high=0.95) for name in ("recall", "specificity")}
    policy = PolicyFigures(
        dataset="unseen",
        tier="clean",
        policy="balanced",
        photos=500,
        fakes=200,
        figures=figures,
        review_share=0.1,
    )
    report = ModelReport(model_name="tiny", model_version="0.0.1", curves=(), policies=(policy,))
    beside(path).write_text(report.model_dump_json())
    return path


def run(*arguments: str | Path) -> Any:
    environment = {"DETECTOR_LOG_LEVEL": "critical"}
    return CliRunner(env=environment).invoke(app, ["scan", *map(str, arguments)])


def test_a_summary_with_an_estimate(folder: Path, model: Path, tmp_path: Path) -> None:
    arguments = (folder, "--out", tmp_path / "out", "--model", model, "--workers", "1")
    result = run(*arguments, "--price-per-core-hour", "0.04")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["rows"], found["errors"], found["resumed"]) == (10, {"unsupported_format": 1}, 0)
    assert found["ai_generated"] + found["real"] == found["prevalence"]["judged"] == 9
    assert found["prevalence"]["low"] <= found["prevalence"]["share"] <= found["prevalence"]["high"]
    assert found["cost"] > 0
    again = json.loads(run(*arguments).stdout)
    assert (again["rows"], again["resumed"], again["prevalence"]) == (10, 10, found["prevalence"])
    assert json.loads((tmp_path / "out" / "_runs" / "0.0.1.summary.json").read_text()) == again


def test_a_sample(folder: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(folder, "--out", out, "--model", model, "--workers", "1", "--sample", "4", "--seed", "3")
    found = json.loads(result.stdout)
    assert (found["rows"], found["population"], found["sample"]) == (4, 10, 4)
    other = run(folder, "--out", out, "--model", model, "--sample", "4", "--seed", "4")
    assert (other.exit_code, "another source" in other.stderr) == (2, True)


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("gone", [], "no such file or folder"),
        ("empty", [], "no photos found"),
        ("in", ["--policy", "wings"], "policy"),
        ("in", ["--model", "gone.onnx"], "no model file"),
        ("nowhere://x/y", [], "scheme"),
    ],
)
def test_wrong_usage_is_said_in_a_line(
    folder: Path, model: Path, tmp_path: Path, *, source: str, options: list[str], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    named = source if "://" in source else str(tmp_path / source)
    model_options = [] if "--model" in options else ["--model", str(model)]
    result = run(named, "--out", tmp_path / "out", *model_options, *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_destination_that_cannot_be_written_is_a_stop(folder: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = run(folder, "--out", tmp_path / "file" / "out", "--model", model)
    assert (result.exit_code, "the destination cannot be" in result.stderr) == (1, True)
