"""kill -9 of a writing process: whatever it had acknowledged is there afterwards."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from src.store.store import Store
from tests.store.conftest import OpenStore
from tests.support.patience import until

REPO = Path(__file__).parents[2]


def acknowledged_before_kill(url: str, spool: Path, lines: int) -> dict[str, list[str]]:
    """Let a process write, kill it in mid-write after so many acknowledgements, return all that it gave."""
    command = [sys.executable, "-m", "tests.store.victim", url, str(spool)]
    said: dict[str, list[str]] = defaultdict(list)
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        for _ in range(lines):
            word, _, name = victim.stdout.readline().strip().partition(" ")
            said[word].append(name)
        victim.send_signal(signal.SIGKILL)
        # Acknowledged, and not yet read from the pipe when the signal was sent; the last may be cut in two.
        for line in victim.stdout.read().splitlines():
            word, _, name = line.partition(" ")
            if len(name) == 32:
                said[word].append(name)
    assert victim.returncode == -signal.SIGKILL
    return said


async def missing(store: Store, said: dict[str, list[str]]) -> list[str]:
    lost, feedback = [], set()
    for name in said["record"] + said["spooled"]:
        found = await store.prediction(name)
        if found is None:
            lost.append(name)
        else:
            feedback |= {item.id for item in found.feedback}
    return lost + [name for name in said["feedback"] if name not in feedback]


@pytest.mark.parametrize("lines", [60, 202])
def test_no_acknowledged_record_or_feedback_is_lost(
    url: str, opened: OpenStore, tmp_path: Path, lines: int
) -> None:
    said = acknowledged_before_kill(url, tmp_path / "spool", lines)
    assert said["record"]
    assert said["feedback"]
    assert not said["spooled"]
    assert asyncio.run(missing(opened(url), said)) == []


def test_no_spooled_record_is_lost(opened: OpenStore, tmp_path: Path) -> None:
    place = tmp_path / "detector.db"
    place.mkdir()  # in the way of the database
    said = acknowledged_before_kill(f"sqlite:///{place}", tmp_path / "spool", 120)
    assert set(said) == {"spooled"}
    place.rmdir()

    async def scenario() -> None:
        store = opened(f"sqlite:///{place}")
        await until(lambda: store.stats().spool_records == 0)
        assert store.stats().rejected == 0
        assert await missing(store, said) == []

    asyncio.run(scenario())
