"""The shipped file is the one that the report judged, and the README says what both say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from src.data.manifest import read_manifest
from src.evaluation.archive import read_archive
from src.evaluation.bars import MIN_AUROC, hold_bars
from src.evaluation.card import network_hash, read_card
from src.evaluation.figures import Report, read_report
from src.evaluation.gather import check_inputs
from src.evaluation.markdown import render_report
from src.evaluation.policies import MIN_RECALL, MIN_SPECIFICITY
from src.evaluation.readme import PERFORMANCE, VERDICT, block_of, expected_readme, render_block
from src.evaluation.release import check_judged
from src.evaluation.verdict import parse_verdict
from src.inference.schemas import Prediction
from src.utils.model_card import ModelCard

REPO = Path(__file__).parents[2]
MODEL = REPO / "models" / "detector.onnx"
REPORTS = REPO / "reports"


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return read_card(MODEL)


@pytest.fixture(scope="module")
def report() -> Report:
    return read_report(REPORTS / "detector" / "report.json")


def test_the_report_is_of_the_shipped_model(card: ModelCard, report: Report) -> None:
    check_judged(card, network_hash(MODEL), report)


def test_the_card_is_fitted_and_says_what_it_was_trained_on(card: ModelCard, report: Report) -> None:
    assert set(card.policies) == {"balanced", "low_false_positive", "high_recall"}
    assert all("fold networks of" in policy.description for policy in card.policies.values())
    assert card.training is not None
    assert card.training.held_out_fold is None
    for tier in ("clean", "web", "hard"):
        figure = report.block("unseen", tier).figures["auroc"].value
        assert card.metrics[f"unseen_{tier}_auroc"] == pytest.approx(figure, abs=2e-4)


def test_the_figures_are_out_of_fold_and_of_known_splits(card: ModelCard, report: Report) -> None:
    rows, inputs = read_archive(REPORTS / "detector", read_manifest(REPO / "data" / "manifest.csv"))
    check_inputs(rows, inputs, card, network_hash(MODEL))
    assert {row.fold for row in rows["unseen"]} == {0, 1, 2, 3, 4}
    for name in report.datasets:
        forms = report.forms[name]
        assert len({row.photo_id for row in rows[name]}) == forms.original + forms.stored


def test_every_bar_is_in_the_table_with_its_figure(report: Report) -> None:
    assert report.bars == hold_bars(report.blocks, report.shortcut, report.lengths)
    unseen = f"unseen ({report.lengths.words})"
    found = {bar.name: bar.bar for bar in report.bars}
    for name, data in (("test", "test"), (unseen, "unseen")):
        assert found[f"AUROC, {name}, clean"] == f"≥ {MIN_AUROC[data]:g}"
        assert found[f"specificity under `low_false_positive`, {name}, clean"] == f"≥ {MIN_SPECIFICITY:g}"
        assert found[f"recall under `high_recall`, {name}, clean"] == f"≥ {MIN_RECALL:g}"
        assert found[f"largest Spearman of a file fact, {name}"] == "≤ 0.25"
    assert found["points lost to re-encoding, test"] == "≤ 2"
    page = (REPORTS / "detector" / "report.md").read_text(encoding="utf-8")
    for bar in report.bars:
        assert f"| {bar.name} | {bar.value:.3f} | {bar.bar} | {'met' if bar.met else '**missed**'} |" in page


def test_the_committed_pages_are_those_of_the_committed_figures() -> None:
    reports = sorted(REPORTS.glob("detector*/report.json"))
    assert reports, "no report is committed: run `make evaluate`"
    for each in reports:
        page = each.with_name("report.md").read_text(encoding="utf-8")
        assert page == render_report(read_report(each)), "run `python -m src.evaluation.report`"


def test_the_readme_is_not_stale(report: Report) -> None:
    readme = REPO / "README.md"
    text = readme.read_text(encoding="utf-8")
    assert block_of(text, PERFORMANCE)[1].strip() == render_block(report), "run `make readme`"
    expected = expected_readme(readme, REPORTS / "detector" / "report.json", MODEL)
    assert text == expected, "run `make readme`"


def test_the_readme_shows_a_reply_of_the_service(card: ModelCard) -> None:
    text = (REPO / "README.md").read_text(encoding="utf-8")
    shown = parse_verdict(block_of(text, VERDICT)[1])
    assert shown is not None
    assert set(Prediction.model_validate(shown).model_dump(exclude_none=True)) == set(shown)
    assert shown["model_version"] == card.version
    assert shown["threshold"] == pytest.approx(card.policies["balanced"].threshold, abs=1e-4)
    assert shown["label"] == ("ai_generated" if shown["probability"] >= shown["threshold"] else "real")


def test_the_shipped_files_are_in_the_repository() -> None:
    names = ["models/detector.onnx", "reports/detector/report.json", "reports/detector/report.md"]
    done = subprocess.run(
        ["git", "ls-files", "--error-unmatch", *names], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
