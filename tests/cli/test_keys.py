"""Keys by the command line: told once, listed without secrets, revoked by id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from src.cli import app
from src.inference.access.keys import KeyRing, load_keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def run(path: Path, *arguments: str) -> Any:
    return CliRunner(env={"DETECTOR_KEYS_FILE": str(path)}).invoke(app, ["keys", *arguments])


def test_issue_list_revoke(path: Path) -> None:
    issued = run(path, "issue", "shop", "--scope", "predict", "--scope", "review", "--rate-limit", "9/minute")
    assert issued.exit_code == 0
    secret = issued.stdout.strip()
    assert str(path) in issued.stderr
    key = KeyRing(load_keys(path)).find(secret)
    assert key is not None
    assert (key.name, key.scopes, key.rate_limit) == ("shop", {"predict", "review"}, "9/minute")
    listed = run(path, "list")
    (row,) = [json.loads(line) for line in listed.stdout.splitlines()]
    assert (row["id"], row["revoked"]) == (key.id, None)
    assert secret not in listed.output
    assert key.digest not in listed.output
    assert run(path, "revoke", key.id).exit_code == 0
    assert KeyRing(load_keys(path)).find(secret) is None


def test_file_by_option_goes_before_the_environment(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    run(path, "issue", "shop", "--scope", "admin", "--days", "30", "--file", str(other))
    assert not path.exists()
    (key,) = load_keys(other)
    assert key.expires is not None


@pytest.mark.parametrize(
    "arguments",
    [
        ("issue", "shop"),
        ("issue", "shop", "--scope", "root"),
        ("issue", "", "--scope", "predict"),
        ("issue", "shop", "--scope", "predict", "--rate-limit", "often"),
        ("issue", "shop", "--scope", "predict", "--days", "0"),
        ("revoke", "0" * 12),
    ],
)
def test_wrong_usage_is_exit_code_2_and_changes_nothing(path: Path, arguments: tuple[str, ...]) -> None:
    assert run(path, *arguments).exit_code == 2
    assert load_keys(path) == ()


def test_damaged_file_is_told(path: Path) -> None:
    path.write_text("damaged")
    assert "damaged" in run(path, "list").output
