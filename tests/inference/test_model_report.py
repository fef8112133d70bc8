"""`GET /model/report`: the figures of the very model in service, or none."""

from __future__ import annotations

from pathlib import Path

from src.utils.model_report import ModelReport, PolicyFigures, beside
from tests.support.service import quiet_settings, running
from tests.support.tiny_model import tiny_card, write_tiny_model


def put_report(model: Path, version: str) -> ModelReport:
    """Put a report of this version beside the model."""
    figures = PolicyFigures(
        dataset="unseen", tier="clean", policy="balanced", photos=9, fakes=4, figures={}, review_share=0.1
    )
    report = ModelReport(model_name="tiny", model_version=version, curves=(), policies=(figures,))
    beside(model).write_text(report.model_dump_json())
    return report


def test_the_report_beside_the_model_is_told(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "detector.onnx")
    report = put_report(model, tiny_card().version)
    with running(quiet_settings(model)) as client:
        for path in ("/model/report", "/v1/model/report"):
            reply = client.get(path)
            assert reply.status_code == 200
            assert ModelReport.model_validate(reply.json()) == report


def test_no_report_is_told_of_a_model_that_has_none(tmp_path: Path) -> None:
    with running(quiet_settings(write_tiny_model(tmp_path / "detector.onnx"))) as client:
        reply = client.get("/model/report")
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


def test_figures_of_another_version_are_not_told(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "detector.onnx")
    put_report(model, "9.9.9")
    with running(quiet_settings(model)) as client:
        assert client.get("/model/report").status_code == 404
