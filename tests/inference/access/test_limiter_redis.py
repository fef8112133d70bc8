"""Many processes share one count in a real Redis, and survive its absence."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from src.inference.access import limiter as module
from src.inference.access.limiter import Limiter
from src.utils.errors import RateLimitedError
from tests.support.patience import eventually
from tests.support.programs import REDIS, needs


@pytest.fixture(autouse=True)
def installed() -> None:
    needs(REDIS)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines that run tests are busy."""
    monkeypatch.setattr(module, "_PATIENCE_S", 60.0)
    monkeypatch.setattr(module, "_REST_S", 3600.0)


@contextmanager
def redis(port: int) -> Iterator[None]:
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: listens(port), "Redis did not start")
        yield
    finally:
        process.terminate()
        process.wait(60)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def passes(limiter: Limiter, client: str) -> bool:
    try:
        await limiter.charge(client)
    except RateLimitedError as error:
        return not 1 <= error.retry_after_s <= 3600
    return True


def test_processes_share_one_count(port: int) -> None:
    failures: list[int] = []

    async def scenario() -> None:
        first, second = (
            Limiter("4/hour", f"redis://127.0.0.1:{port}", lambda: failures.append(1)) for _ in range(2)
        )
        found = [await passes(limiter, "a") for limiter in (first, second, first, second, first)]
        assert found == [True] * 4 + [False]
        assert await passes(second, "b")
        await first.close()
        await second.close()

    with redis(port):
        asyncio.run(scenario())
    assert failures == []


def test_counts_come_back_with_the_server(port: int) -> None:
    failures: list[int] = []

    async def scenario() -> None:
        limiter = Limiter("2/hour", f"redis://127.0.0.1:{port}", lambda: failures.append(1))
        with redis(port):
            assert await passes(limiter, "a")
        assert await passes(limiter, "a")
        assert failures == [1]
        with redis(port):
            # It is left alone for a while, so that its absence costs nothing.
            assert [await passes(limiter, "a") for _ in range(5)] == [True] * 5
            limiter._rests_until = 0.0
            assert [await passes(limiter, "a") for _ in range(3)] == [True, True, False]
            await limiter.close()

    asyncio.run(scenario())
