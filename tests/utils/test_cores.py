"""Threads follow the cores that the process may use, not those that the machine has."""

from __future__ import annotations

import os

import pytest

from src.utils.cores import usable_cores
from src.utils.settings import Settings


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
