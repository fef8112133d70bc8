"""The model card: of the shipped model alone, complete, and never stale."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from src.evaluation.bootstrap import Figure
from src.evaluation.card import write_card
from src.evaluation.model_card import gather, main, read_measurement
from src.evaluation.model_card_page import render
from src.evaluation.robustness_figures import ChangeRow, Robustness
from src.evaluation.robustness_sample import Sample
from src.utils.errors import DataError
from tests.support.tiny_model import tiny_card

REPO = Path(__file__).parents[2]
MODEL = REPO / "models" / "detector.onnx"
REPORTS = REPO / "reports" / "detector"
MANIFEST = REPO / "data" / "manifest.csv"
PAGE = REPO / "docs" / "MODEL_CARD.md"


@pytest.fixture(scope="module")
def page() -> str:
    return render(gather(MODEL, REPORTS, MANIFEST))


def robustness(version: str) -> Robustness:
    """Two changes, the second of which costs more."""

    def row(name: str, value: float) -> ChangeRow:
        figure = Figure(value=value)
        names = ("specificity", "recall", "auroc", "flipped_real", "flipped_fake", "strict_specificity")
        change = Figure(value=value - 0.9)
        return ChangeRow(group="g", name=name, auroc_change=change, **dict.fromkeys(names, figure))

    sample = Sample(
        model_name="m",
        model_version=version,
        networks=("n",),
        select="test",
        splits_hash="s",
        real=1,
        fake=1,
        sources=2,
    )
    rows = [row("untouched", 0.9), row("JPEG 95", 0.89), row("a strange change", 0.123)]
    return Robustness(sample=sample, policy="balanced", rows=rows)


def reports_with(folder: Path, **files: str) -> Path:
    """The committed report beside other measurements."""
    shutil.copyfile(REPORTS / "report.json", folder / "report.json")
    for name, text in files.items():
        (folder / f"{name}.json").write_text(text)
    return folder


def test_the_committed_card_is_not_stale(page):
    assert PAGE.read_text(encoding="utf-8") == page, "run `make model-card`"


def test_the_card_has_what_a_reader_needs(page):
    headings = re.findall(r"^## (.+)$", page, flags=re.MULTILINE)
    assert headings == [
        "Intended use",
        "Data",
        "Performance",
        "Who is judged how",
        "Robustness",
        "Known failures",
        "Limits",
        "Licence",
    ]
    for kind in ("Kind of seller", "Product category", "Generator"):
        assert f"### {kind}" in page
    report = json.loads((REPORTS / "report.json").read_text())
    assert f"# Model card: {report['model_name']} {report['model_version']}" in page
    for bar in report["bars"]:
        assert (bar["name"] in page) == (not bar["met"]), bar["name"]
    assert "| fashion |" in page
    assert "| sellers' own photos |" in page


def test_a_measurement_of_this_version_is_told(tmp_path):
    version = json.loads((REPORTS / "report.json").read_text())["model_version"]
    folder = reports_with(tmp_path, robustness=robustness(version).model_dump_json())
    text = render(gather(MODEL, folder, MANIFEST))
    assert "| a strange change | 0.123 | 0.123 | 0.123 |" in text
    assert "accused most often after this change: a strange change (specificity 0.123)" in text


def test_a_measurement_of_another_version_is_left_out(tmp_path):
    folder = reports_with(tmp_path, robustness=robustness("0.0.0").model_dump_json())
    text = render(gather(MODEL, folder, MANIFEST))
    assert "a strange change" not in text
    assert "nothing has been measured of this version" in text


def test_a_damaged_measurement_is_an_error(tmp_path):
    path = tmp_path / "robustness.json"
    assert read_measurement(path, Robustness, "1") is None
    path.write_text("{}")
    with pytest.raises(DataError, match="damaged"):
        read_measurement(path, Robustness, "1")


def test_the_report_of_another_model_is_refused(tmp_path):
    model = tmp_path / "other.onnx"
    shutil.copyfile(MODEL, model)
    write_card(model, tiny_card(version="9"))
    with pytest.raises(DataError, match="another model"):
        gather(model, REPORTS, MANIFEST)


def test_a_stale_card_is_found_and_made_anew(tmp_path, capsys, page):
    target = tmp_path / "MODEL_CARD.md"
    options = [
        *("--model", str(MODEL), "--reports", str(REPORTS), "--manifest", str(MANIFEST)),
        *("--out", str(target)),
    ]
    assert main([*options, "--check"]) == 1
    assert "make model-card" in capsys.readouterr().err
    assert not target.exists()
    assert main(options) == 0
    assert target.read_text() == page
    assert main([*options, "--check"]) == 0
    target.write_text(page.replace("0.", "1.", 1))
    assert main([*options, "--check"]) == 1
