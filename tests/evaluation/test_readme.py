"""The README's verdict and table: generated, complete, never stale (tests/quality holds the shipped ones)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from src.evaluation.figures import read_report
from src.evaluation.readme import (
    PERFORMANCE,
    VERDICT,
    block_of,
    expected_readme,
    main,
    render_block,
    with_block,
)
from src.evaluation.verdict import drawn_product, parse_verdict, same_verdict
from src.inference.detector import Detector
from src.utils.errors import DataError, ModelError
from tests.evaluation.test_report import Release

START, END = "<!-- performance:start -->", "<!-- performance:end -->"


@dataclass(frozen=True)
class Files:
    """A README beside a report and the model that it is of."""

    readme: Path
    report: Path
    model: Path

    def run(self, *extra: str) -> int:
        options = ["--readme", str(self.readme), "--report", str(self.report), "--model", str(self.model)]
        return main([*options, *extra])


@pytest.fixture
def files(tmp_path: Path) -> Files:
    release = Release(tmp_path)
    release.report()
    readme = tmp_path / "README.md"
    readme.write_text(
        "# Title\n\n<!-- verdict:start -->\nan old verdict\n<!-- verdict:end -->\n\n"
        "<!-- performance:start -->\nold figures\n<!-- performance:end -->\n\nThe rest.\n"
    )
    return Files(readme, release.out / "report.json", release.model)


def test_stale_blocks_are_told_and_rewritten(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert files.run("--check") == 1
    assert "stale" in capsys.readouterr().err
    assert "old figures" in files.readme.read_text()
    assert files.run() == 0
    assert files.run("--check") == 0
    text = files.readme.read_text()
    assert text.startswith("# Title\n")
    assert text.endswith("The rest.\n")
    assert "old figures" not in text
    assert "an old verdict" not in text
    # A single figure that changes in the report makes the README stale.
    files.report.write_text(files.report.read_text().replace('"median_ms": 81.25', '"median_ms": 99.0'))
    assert files.run("--check") == 1


def test_the_verdict_is_the_models_and_goes_stale_with_it(files: Files) -> None:
    assert files.run() == 0
    shown = parse_verdict(block_of(files.readme.read_text(), VERDICT)[1])
    assert shown is not None
    detection = Detector.from_file(files.model).detect(drawn_product())
    assert shown["probability"] == pytest.approx(detection.probability, abs=1e-3)
    assert (shown["label"], shown["policy"]) == (detection.label, "balanced")
    # Times differ each time; they alone do not make it stale.
    text = files.readme.read_text()
    files.readme.write_text(text.replace('"decode": ', '"decode": 9'))
    assert files.run("--check") == 0
    files.readme.write_text(text.replace(f'"probability": {shown["probability"]}', '"probability": 0.1234'))
    assert files.run("--check") == 1


def test_without_a_model_or_a_report_there_is_nothing_to_show(files: Files) -> None:
    with pytest.raises(ModelError):
        expected_readme(files.readme, files.report, files.model.with_name("none.onnx"))
    with pytest.raises(DataError, match="make the report"):
        expected_readme(files.readme, files.report.with_name("none.json"), files.model)


def test_the_table_has_the_promised_rows_in_their_order(files: Files) -> None:
    block = render_block(read_report(files.report))
    names = [line.split("|")[1].strip() for line in block.splitlines() if line.startswith("|")]
    assert names[2:] == [
        "Accuracy",
        "Precision",
        "Recall",
        "F1-score",
        "Inference latency, bytes to verdict, one thread",
        "AUROC",
        "Specificity (real photos called real)",
        "– sellers' own photos",
        "– studio and stock photos",
        "– catalogue renders",
        "Specificity under `low_false_positive`",
        "– sellers' own photos",
        "– studio and stock photos",
        "– catalogue renders",
        "Recall under `low_false_positive`",
        "Calibration error (ECE)",
        "Balanced accuracy, clean",
        "Balanced accuracy, web",
        "Balanced accuracy, hard",
        "AUROC, web",
        "AUROC, hard",
    ]
    assert "81 ms" in block
    assert "(`unseen`, 240; fold networks of 550 steps; the released one: 1500 steps)" in block
    assert "`unseen`: 220 photos as uploaded, 20 from their stored 512-px form" in block
    assert "2 could not be had" in block
    cells = [line.split("|") for line in block.splitlines() if line.startswith("| – ")]
    assert all(cell[3].strip() != "–" for cell in cells)


@pytest.mark.parametrize("text", ["nothing", START, f"{END}{START}", f"{START}{START}{END}"])
def test_a_readme_without_its_marks_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="needs one"):
        with_block(text, PERFORMANCE, "x")
    assert with_block(f"a{START}b{END}c", PERFORMANCE, "x") == f"a{START}\nx\n{END}c"


def test_a_verdict_that_is_none_is_not_taken_for_one() -> None:
    assert parse_verdict("an old verdict") is None
    assert parse_verdict("```json\n[1]\n```") is None
    fresh = {"label": "real", "probability": 0.5, "needs_review": False, "timings_ms": {"total": 1.0}}
    assert same_verdict(fresh | {"timings_ms": {}, "probability": 0.5005}, fresh)
    assert not same_verdict(fresh | {"probability": 0.51}, fresh)
    assert not same_verdict(fresh | {"needs_review": True}, fresh)
    assert not same_verdict(fresh | {"more": 1}, fresh)
    assert not same_verdict(None, fresh)
