"""Runs what README.md and docs/API.md show of `detector` and of Python, as it stands, in an own folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import REPO, blocks, shell_lines, text_of
from tests.support.pictures import photo_bytes

_SECONDS = 300
_DETECTOR = ".venv-serve/bin/detector"

pytestmark = pytest.mark.slow


def lines(document: str) -> list[str]:
    return [line.text for line in shell_lines(document, text_of(document)) if _DETECTOR in line.text]


def python_block(document: str) -> str:
    return next(content for language, content in blocks(text_of(document)) if language == "python")


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPO), "DETECTOR_LOG_LEVEL": "critical"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def bash(folder: Path, line: str) -> str:
    return run(folder, "bash", "-euo", "pipefail", "-c", line)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout as these lines see it: the model, photos, and `detector` where `make serve` puts it."""
    (tmp_path / "models").mkdir()
    shutil.copy(REPO / "models" / "detector.onnx", tmp_path / "models")
    (tmp_path / "photos").mkdir()
    for number, name in enumerate(("photo.jpg", "photos/a.jpg", "photos/b.jpg")):
        (tmp_path / name).write_bytes(photo_bytes(number, size=(320, 240)))
    command = tmp_path / _DETECTOR
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m src.cli "$@"\n')
    command.chmod(0o755)
    return tmp_path


def test_the_readme_judges_a_photo_a_folder_and_what_comes_by_a_pipe(folder):
    table, csv, piped = (bash(folder, line) for line in lines("README.md") if " detect " in line)
    assert "photo.jpg" in table
    assert len(csv.splitlines()) == 3
    assert json.loads(piped)["policy"] == "low_false_positive"


def test_keys_are_issued_listed_and_revoked(folder):
    for document in ("README.md", "docs/API.md"):
        issue = next(line for line in lines(document) if " keys issue " in line)
        assert bash(folder, issue).startswith("det_")
    listing, revoking = (
        next(line for line in lines("docs/API.md") if f" keys {name}" in line) for name in ("list", "revoke")
    )
    keys = [json.loads(line) for line in bash(folder, listing).splitlines()]
    assert [key["rate_limit"] for key in keys] == ["", "6000/minute"]
    bash(folder, revoking.replace("ID_FROM_THE_LIST", keys[0]["id"]))


def test_the_readme_judges_from_python(folder):
    said = run(folder, sys.executable, "-W", "error::ResourceWarning", "-c", python_block("README.md"))
    assert re.fullmatch(r"real|ai_generated", said.strip())
