"""What the champion misses too is excused, if the candidate misses it by no more; nothing else is."""

from __future__ import annotations

from uuid import uuid4

import pytest

from src.evaluation.figures import read_report
from src.evaluation.gates import GateLimits, GateResult
from src.evaluation.promotion import Files
from src.incident.gating import hold, promote
from src.registry.registry import Registry
from tests.support.registry import Passing, judged_model, shared_registry, valid_data

FLOOR = "AUROC, unseen, hard"
WEAK = {("unseen", "hard", "balanced", "auroc"): 0.60}


def files(folder, version, **figures):
    model, report = judged_model(folder, version, **figures)
    return Files(model, read_report(report))


def test_a_floor_that_the_champion_misses_no_less_is_excused(tmp_path):
    champion = files(tmp_path, "1.0.0", metrics=WEAK)
    candidate = files(tmp_path, "1.1.0", metrics=WEAK)
    results, excused = hold(candidate, champion, valid_data(), GateLimits())
    assert FLOOR in [each.name for each in results if not each.passed]
    assert excused == [FLOOR]


@pytest.mark.parametrize(
    ("champions", "mine"),
    [
        pytest.param(WEAK, {("unseen", "hard", "balanced", "auroc"): 0.55}, id="missed by more"),
        pytest.param(WEAK, {("unseen", "hard", "balanced", "auroc"): 0.599}, id="missed by a little more"),
        pytest.param({}, WEAK, id="held by the champion"),
    ],
)
def test_what_the_candidate_spoils_is_not_excused(tmp_path, champions, mine):
    champion = files(tmp_path, "1.0.0", metrics=champions)
    candidate = files(tmp_path, "1.1.0", metrics=mine)
    results, excused = hold(candidate, champion, valid_data(), GateLimits())
    assert FLOOR in [each.name for each in results if not each.passed]
    assert FLOOR not in excused


def test_what_was_not_measured_is_never_excused(tmp_path):
    champion, candidate = files(tmp_path, "1.0.0"), files(tmp_path, "1.1.0")
    results, excused = hold(candidate, champion, None, GateLimits())
    assert [each.name for each in results if not each.passed] == ["errors and leaks in the data"]
    assert excused == []


@pytest.mark.parametrize(("mine", "champions"), [(None, -0.1), (-0.1, None), (float("nan"), -0.1)])
def test_a_miss_is_excused_only_beside_a_measured_one(tmp_path, monkeypatch, mine, champions):
    margins = iter([mine, champions])

    def found(*_):
        margin = next(margins)
        return [GateResult(name="floor", passed=False, value=margin, limit=0.5, margin=margin)]

    monkeypatch.setattr("src.incident.gating.check", found)
    both = files(tmp_path, "1.0.0")
    assert hold(both, both, valid_data(), GateLimits())[1] == []


def test_only_excused_misses_let_a_version_through(tmp_path):
    shelf = Registry(shared_registry(), f"gating-{uuid4().hex[:8]}")
    first, second = (shelf.register(judged_model(tmp_path, each)[0]) for each in ("1.0.0", "1.1.0"))
    shelf.promote(first, [Passing()])
    results = [
        GateResult(name="good", passed=True, value=1.0, limit=0.5, margin=0.5),
        GateResult(name="bad", passed=False, value=0.4, limit=0.5, margin=-0.1),
    ]
    assert promote(shelf, second, results, []) is False
    assert shelf.champion().version == first
    assert promote(shelf, second, results, ["bad"]) is True
    assert shelf.champion().version == second
    kept = shelf.find(second).tags["gates"]
    assert kept.startswith(
        "1 gates passed; 1 missed and excused: bad: 0.4 (limit 0.5, misses by 0.1); tightest: good"
    )
