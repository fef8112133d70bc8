"""Originals come out of local git repositories byte for byte; what is not there is told by name."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from src.data import mirrors
from src.data.layout import original_path
from src.data.mirrors import copy_originals, find_mirror
from tests.data.builders import record
from tests.data.repositories import mirror

FILES = {f"photos/ä photo {n}.png": bytes([n]) * (70_000 + n) for n in range(5)} | {"empty.png": b""}


@pytest.mark.parametrize("bare", [True, False])
def test_all_files_of_a_repository_are_copied(tmp_path: Path, bare: bool) -> None:
    commit = mirror(tmp_path, "owner/name", FILES, bare=bare)
    records = [record(path, data=data, repo_path=path, commit=commit) for path, data in FILES.items()]
    outcomes = list(copy_originals(records, tmp_path / "raw", tmp_path))
    assert {one.status for one in outcomes} == {"fetched"}
    for made, data in zip(records, FILES.values(), strict=True):
        assert original_path(made, tmp_path / "raw").read_bytes() == data
    assert {one.status for one in copy_originals(records, tmp_path / "raw", tmp_path)} == {"present"}


def test_failures_are_told_apart_and_do_not_stop_the_others(tmp_path: Path) -> None:
    commit = mirror(tmp_path, "owner/name", FILES)
    good_path, good = next(iter(FILES.items()))
    records = [
        record("a", repo="nobody/nothing"),
        record("b", repo_path="photos/gone.png", commit=commit),
        record("c", repo_path=good_path, commit="b" * 40),
        record("d", repo_path="photos", commit=commit),
        record("e", repo_path=good_path, commit=commit),
        record("f", repo_path="two\nlines.png", commit=commit),
        record("g", data=good, repo_path=good_path, commit=commit),
    ]
    outcomes = {
        one.record.repo_path + one.record.sha256: one
        for one in copy_originals(records, tmp_path / "raw", tmp_path)
    }
    errors = [outcomes[made.repo_path + made.sha256].error for made in records]
    assert errors == [
        "no mirror of the repository",
        "not in the mirror",
        "not in the mirror",
        "no file in the mirror",
        "the mirror's file has another sha256",
        "the path has a line break",
        "",
    ]
    assert [path.name for path in (tmp_path / "raw" / "originals").iterdir()] == [
        original_path(records[-1], tmp_path).name
    ]


def test_folder_that_is_no_repository_is_a_failure(tmp_path: Path) -> None:
    broken = tmp_path / "owner+name" / "repo"
    broken.mkdir(parents=True)
    assert find_mirror(tmp_path, "owner/name") is None
    (broken / "HEAD").write_text("ref: refs/heads/main\n")
    outcomes = list(copy_originals([record(n) for n in range(3)], tmp_path / "raw", tmp_path))
    assert {one.error for one in outcomes} == {"not in the mirror"}


def test_git_that_ends_before_it_is_asked_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "owner+name" / "repo"
    broken.mkdir(parents=True)
    (broken / "HEAD").write_text("ref: refs/heads/main\n")
    popen = subprocess.Popen

    def ended(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        git = popen(*arguments, **options)
        git.wait()
        return git

    monkeypatch.setattr(mirrors.subprocess, "Popen", ended)
    outcomes = list(mirrors.copy_originals([record(n) for n in range(3)], tmp_path / "raw", tmp_path))
    assert [one.error for one in outcomes] == ["not in the mirror"] * 3
