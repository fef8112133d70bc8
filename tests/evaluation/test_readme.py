"""The README's table: generated, complete, and never stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.evaluation.figures import read_report
from src.evaluation.markdown import render_report
from src.evaluation.readme import END, START, expected_readme, main, render_block, with_block
from src.utils.errors import DataError
from tests.evaluation.test_report import Release

REPO = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    release = Release(tmp_path)
    release.report()
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n\n{START}\nold figures\n{END}\n\nThe rest.\n")
    return ["--readme", str(readme), "--report", str(release.out / "report.json")]


def test_a_stale_table_is_told_and_rewritten(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    readme = Path(files[1])
    assert main([*files, "--check"]) == 1
    assert "stale" in capsys.readouterr().err
    assert "old figures" in readme.read_text()
    assert main(files) == 0
    assert main([*files, "--check"]) == 0
    text = readme.read_text()
    assert text.startswith("# Title\n")
    assert text.endswith("The rest.\n")
    assert "old figures" not in text
    # A single figure that changes in the report makes the README stale.
    report = Path(files[3])
    report.write_text(report.read_text().replace('"median_ms": 81.25', '"median_ms": 99.0'))
    assert main([*files, "--check"]) == 1


def test_the_table_has_the_promised_rows_in_their_order(files: list[str]) -> None:
    block = render_block(read_report(Path(files[3])))
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
        "Calibration error (ECE)",
        "Balanced accuracy, clean",
        "Balanced accuracy, web",
        "Balanced accuracy, hard",
        "AUROC, web",
        "AUROC, hard",
    ]
    assert "81 ms" in block


def test_before_the_first_report_the_block_is_empty(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"a\n{START}\nold\n{END}\nb\n")
    assert expected_readme(readme, tmp_path / "none.json") == f"a\n{START}\n{END}\nb\n"


@pytest.mark.parametrize("text", ["nothing", START, f"{END}{START}", f"{START}{START}{END}"])
def test_a_readme_without_its_marks_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="needs one"):
        with_block(text, "x")


def test_the_readme_of_this_repository_is_not_stale() -> None:
    readme, report = REPO / "README.md", REPO / "reports" / "detector" / "report.json"
    assert readme.read_text(encoding="utf-8") == expected_readme(readme, report), "run `make readme`"


def test_the_committed_page_is_that_of_the_committed_figures() -> None:
    for report in (REPO / "reports").glob("detector*/report.json"):
        page = report.with_name("report.md").read_text(encoding="utf-8")
        assert page == render_report(read_report(report)), "run `python -m src.evaluation.report`"
