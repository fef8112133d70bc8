"""A whole incident on drawn pictures: served, hidden, noticed, understood, answered twice, written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.incident.lookout import PAGE
from src.incident.postmortem import bars
from src.incident.records import Exam, Run, read_run
from src.incident.run import quick
from src.incident.servers import installed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory) -> tuple[Run, Path]:
    folder = tmp_path_factory.mktemp("rehearsal")
    return quick(folder / "world", folder / "incidents")


@pytest.fixture(scope="module")
def run(rehearsed) -> Run:
    return rehearsed[0]


@pytest.fixture(scope="module")
def exams(run) -> dict[str, Exam]:
    return {each.step: each for each in run.exams}


def test_the_new_family_passes_for_real_until_labels_page_somebody(run, exams):
    assert exams["champion"].recall_new.value < 0.5
    assert exams["champion"].recall_known.value > 0.8
    assert exams["champion"].specificity.value > 0.8
    found = run.detection
    assert found.paged_at is not None
    assert found.before is False
    assert found.paged_new_photos > 0
    if installed():
        assert {"service critical", "prometheus DriftCritical firing", PAGE} <= set(found.alerts)


def test_the_analysis_points_at_the_new_family(run):
    assert run.cause.attribution.startswith("unknown")
    assert run.cause.clusters[0].new_share > 0.8
    assert run.cause.new_in_found > 0.3
    count, wrong = run.cause.slices["judged real"]
    assert 0 < wrong < count


def test_both_answers_bring_the_family_back_and_the_first_is_promoted(run, exams):
    assert [each.step for each in run.responses] == ["refit", "retraining"]
    assert run.responses[0].promoted
    # The gate on data is held on a real validation of the drawn world: what is not measured is not excused.
    data = next(gate for gate in run.responses[0].gates if gate.name == "errors and leaks in the data")
    assert (data.passed, data.value) == (True, 0.0)
    assert 10 <= run.responses[0].labels <= 100
    # A head can only use what its network sees: the first answer brings a part, the second nearly all.
    assert exams["refit"].recall_new.low > exams["champion"].recall_new.high
    assert exams["retraining"].recall_new.value >= 0.85
    for step in ("refit", "retraining"):
        # Two standard errors of a share of a hundred photos come on top of what was promised.
        assert exams[step].specificity.value > exams["champion"].specificity.value - 0.06


def test_no_request_fails_while_models_are_swapped(run):
    assert run.failed == 0
    assert run.sent > 200
    versions = list(dict.fromkeys(each.model_version for each in run.stages))
    # Whatever the gates let through has served, and nothing else.
    assert versions == ["1.0.0", *(each.model_version for each in run.responses if each.promoted)]


def test_a_stale_model_errs_on_newer_photos_as_a_fresh_one_does_not(exams):
    stale, fresh = exams["champion"], exams["retraining"]
    assert stale.photos == fresh.photos
    assert fresh.recall_new.low > stale.recall_new.high
    assert fresh.accuracy.value > stale.accuracy.value


def test_live_figures_agree_with_those_on_the_photos_that_judge(run, exams):
    promised = {each.model_version: each for each in exams.values()}
    compared = set()
    for live in run.stages:
        for name in ("recall_new", "recall_known", "specificity"):
            share = getattr(live, name)
            # A stage of a few photos says nothing: how many there are depends on how quick the machine is.
            if share is not None and share.high - share.low < 0.4:
                expected = getattr(promised[live.model_version], name).value
                assert share.low - 0.15 <= expected <= share.high + 0.15, (live.stage, name)
                compared.add((live.model_version, name))
    assert {("1.0.0", "recall_new"), ("1.0.0", "recall_known"), ("1.0.0", "specificity")} <= compared


def test_versions_of_data_and_models_are_recorded(run):
    first, second = run.responses
    assert first.registry_version < second.registry_version
    for response in run.responses:
        assert len(response.versions["manifest"]) == 64
        assert len(response.versions["dvc manifest.csv"]) == 32
    # The photos that were learnt are in the data of the second step only.
    assert first.versions["dvc manifest.csv"] != second.versions["dvc manifest.csv"]
    assert first.versions["splits"] == second.versions["splits"]


def test_record_page_and_list_are_written(rehearsed):
    run, page = rehearsed
    assert read_run(page.with_suffix("") / "run.json") == run
    text = page.read_text()
    assert all(name in text for name, _, _ in bars(run))
    assert {path.name for path in page.with_suffix("").iterdir()} == {
        *("run.json", "traffic.png", "exams.png", "clusters.png")
    }
    assert f"[{page.stem}]({page.name})" in (page.parent / "README.md").read_text()
