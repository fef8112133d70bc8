"""Workflows: pinned actions, least permissions, and the targets that they call."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from src.cli import app
from src.incident import retrain
from tests.docs.commands import check

REPO = Path(__file__).parents[2]
WORKFLOWS = sorted((REPO / ".github" / "workflows").glob("*.yml"))
_PINNED = re.compile(r"uses: [\w.-]+(/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def unpinned(text: str) -> list[str]:
    """Uses of actions of others without a full commit and the version that it is."""
    used = [
        line.strip().removeprefix("- ") for line in text.splitlines() if re.search(r"^\s*(- )?uses:", line)
    ]
    return [line for line in used if not line.startswith("uses: ./") and not _PINNED.fullmatch(line)]


def parsed(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def test_all_that_was_promised_is_there():
    assert {path.stem for path in WORKFLOWS} >= {"ci", "security", "image", "release", "docs", "retrain"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_commits_with_their_versions(path):
    assert unpinned(path.read_text()) == []


def test_the_same_action_is_pinned_to_the_same_commit_everywhere():
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, pin in re.findall(r"uses: ([\w./-]+)@(\S+ # \S+)", path.read_text()):
            pins.setdefault(action, set()).add(pin)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_is_permitted_but_what_a_job_asks_for(path):
    workflow = parsed(path)
    assert workflow["permissions"] == {}
    assert "concurrency" in workflow
    for name, job in workflow["jobs"].items():
        assert "permissions" in job, name
        assert "uses" in job or "timeout-minutes" in job, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_checkouts_leave_no_token_behind(path):
    for job in parsed(path)["jobs"].values():
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_targets_and_dockerfiles_that_workflows_name_exist():
    text = "\n".join(path.read_text() for path in WORKFLOWS)
    targets = set(re.findall(r"^([a-z][a-z-]*):", (REPO / "Makefile").read_text(), flags=re.MULTILINE))
    called = {
        name for line in re.findall(r"make ([a-z][a-z -]*)$", text, re.MULTILINE) for name in line.split()
    }
    assert called
    assert called <= targets
    images = {name for names in re.findall(r"image: \[(.+)\]", text) for name in names.split(", ")}
    assert {f"{name}.Dockerfile" for name in images} <= {p.name for p in (REPO / "docker").iterdir()}


def test_retraining_asks_for_what_its_commands_know_and_promotes_nothing():
    workflow = parsed(REPO / ".github" / "workflows" / "retrain.yml")
    (job,) = workflow["jobs"].values()
    lines = [line.strip() for step in job["steps"] for line in step.get("run", "").splitlines()]
    text = "\n".join(lines)
    known = {option for each in get_command(app).commands["retrain"].params for option in each.opts}  # type: ignore[attr-defined]
    asked = set(re.findall(r"--[a-z-]+", " ".join(line for line in lines if "pip" not in line)))
    assert {"--head-only", "--out"} <= asked
    for line in [line for line in lines if line.startswith(("detector", "dvc", "python -m src"))]:
        check(shlex.split(re.sub(r'"\$\{options\[@\]\}"', "--head-only", line)))
    assert asked - {"--raw"} <= known
    assert "--require-hashes --requirement requirements.txt" in text
    assert "promote" not in text
    uploads = [step for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
    kept = set(re.findall(r"outputs/retrain/([\w.]+)", uploads[0]["with"]["path"]))
    assert kept == {retrain.RESULT, retrain.REPORT, retrain.MODEL}


def test_an_action_that_is_not_pinned_is_seen():
    sha = "0" * 40
    assert unpinned(f"- uses: a/b@{sha} # v1.2.3\n  uses: ./.github/workflows/c.yml") == []
    loose = ["uses: a/b@v1", f"uses: a/b@{sha}", "uses: a/b@main # v1.2.3"]
    assert unpinned("\n".join(f"- {line}" for line in loose)) == loose
