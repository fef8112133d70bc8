"""Threads follow the cores that the process may use, not those that the machine has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from src.utils import cores as module
from src.utils.cores import usable_cores
from src.utils.settings import Settings


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where a container's limits stand; none by default, whatever the tests run in."""
    (tmp_path / "cpu").mkdir()
    monkeypatch.setattr(module, "CGROUP", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("cpu.max", "200000 100000\n", 2),
        ("cpu.max", "150000 100000\n", 2),
        ("cpu.max", "10000 100000\n", 1),
        ("cpu.max", "max 100000\n", 8),
        ("cpu.max", "9900000 100000\n", 8),
        ("cpu.max", "", 8),
        ("cpu/cpu.cfs_quota_us", "300000\n", 3),
        ("cpu/cpu.cfs_quota_us", "-1\n", 8),
    ],
)
def test_a_containers_limit_counts(
    monkeypatch: pytest.MonkeyPatch, limits: Path, name: str, text: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    (limits / "cpu/cpu.cfs_period_us").write_text("100000\n")
    (limits / name).write_text(text)
    assert usable_cores() == expected


def test_cores_that_are_out_of_reach_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 7, 11}, raising=False)
    assert usable_cores() == 3


def test_where_the_system_cannot_tell_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


@pytest.mark.parametrize(("cores", "workers"), [(1, 2), (2, 2), (6, 6), (64, 8)])
def test_decoders_grow_with_the_cores_as_far_as_memory_should(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert Settings().workers == workers
    assert Settings(workers=1).workers == 1
