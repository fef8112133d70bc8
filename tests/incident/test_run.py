"""`python -m src.incident.run`: what it answers with, and what it refuses."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from src.incident import run as command
from src.incident.networks import Bench
from src.incident.plan import Places, RehearsalPlan
from src.incident.postmortem import bars
from src.utils.errors import DataError
from tests.incident.rehearsed import a_run

APP = typer.Typer()
APP.command()(command.main)


@pytest.fixture
def rehearsed(monkeypatch, tmp_path):
    """Stands in for the rehearsal; tells what it was asked for."""
    asked: list[tuple[RehearsalPlan, Places, Bench]] = []
    answer = {"run": a_run()}

    def rehearse(plan, places, *, bench, out, **_):
        asked.append((plan, places, bench))
        if isinstance(answer["run"], Exception):
            raise answer["run"]
        return answer["run"], out / "page.md"

    monkeypatch.setattr(command, "rehearse", rehearse)
    return asked, answer


def call(*words: str):
    return CliRunner().invoke(APP, list(words))


def test_each_family_is_rehearsed_in_a_folder_of_its_own(rehearsed, tmp_path):
    asked, _ = rehearsed
    done = call(
        "--family", "openai", "--family", "google", "--work", str(tmp_path), "--set", "optim.steps=20"
    )
    assert done.exit_code == 0, done.output
    assert [plan.family for plan, _, _ in asked] == ["openai", "google"]
    assert [places.work.name for _, places, _ in asked] == ["openai", "google"]
    assert all("optim.steps=20" in bench.overrides for _, _, bench in asked)
    assert done.stdout.count("met   ") == 2 * len(bars(a_run()))


def test_a_missed_bar_is_told_and_is_the_exit_code(rehearsed):
    rehearsed[1]["run"] = a_run(failed=2)
    done = call("--family", "openai")
    assert done.exit_code == 1
    assert "MISSED failed requests, none: 2 of 1200" in done.stdout


def test_what_cannot_be_done_is_one_line(rehearsed):
    rehearsed[1]["run"] = DataError("too few photos")
    done = call("--family", "openai")
    assert done.exit_code == 2
    assert done.stderr.strip().endswith("error: too few photos")


def test_local_start_weights_are_used_by_the_champion(rehearsed, tmp_path):
    call("--family", "openai", "--weights", str(tmp_path / "w.safetensors"))
    assert rehearsed[0][0][2].overrides == (
        "model.initial_weights=file",
        f"model.weights_file={tmp_path / 'w.safetensors'}",
    )


def test_a_shorter_rehearsal_has_shorter_traffic(rehearsed):
    call("--family", "openai", "--scale", "0.5")
    plan = rehearsed[0][0][0]
    whole = RehearsalPlan(family="openai")
    assert plan.calm == round(whole.calm / 2)
    assert [share for share, _ in plan.rising] == [share for share, _ in whole.rising]
    assert sum(count for _, count in plan.rising) < sum(count for _, count in whole.rising)


def test_an_unknown_option_is_refused(rehearsed):
    assert call("--no-gates").exit_code == 2
    assert rehearsed[0] == []
