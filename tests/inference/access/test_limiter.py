"""Counts are kept by client; a store of counts that is away lets requests pass, and says so."""

from __future__ import annotations

import asyncio
import socket

import pytest

from src.inference.access.limiter import Limiter, parse_rate
from src.utils.errors import ConfigError, RateLimitedError


def limiter(rate: str, url: str = "memory://", failures: list[int] | None = None) -> Limiter:
    return Limiter(rate, url, lambda: failures.append(1) if failures is not None else None)


async def passes(limit: Limiter, client: str, rate: str = "", cost: int = 1) -> bool:
    try:
        await limit.charge(client, rate, cost)
    except RateLimitedError as error:
        return not 1 <= error.retry_after_s <= 3600
    return True


def test_each_client_has_its_own_count() -> None:
    async def scenario() -> None:
        limit = limiter("3/hour")
        assert [await passes(limit, "a") for _ in range(5)] == [True] * 3 + [False] * 2
        assert await passes(limit, "b")

    asyncio.run(scenario())


def test_own_rate_replaces_the_services() -> None:
    async def scenario() -> None:
        limit = limiter("1/hour")
        assert [await passes(limit, "a", "5/hour") for _ in range(6)] == [True] * 5 + [False]
        assert [await passes(limiter(""), "a") for _ in range(9)] == [True] * 9

    asyncio.run(scenario())


def test_batch_costs_its_photos_and_one_larger_than_the_window_costs_the_window() -> None:
    async def scenario() -> None:
        limit = limiter("10/hour")
        assert await passes(limit, "a", cost=8)
        assert not await passes(limit, "a", cost=3)
        assert await passes(limit, "b", cost=50)
        assert not await passes(limit, "b")

    asyncio.run(scenario())


def test_several_limits_hold_together() -> None:
    async def scenario() -> None:
        limit = limiter("5/hour;6/day")
        assert [await passes(limit, "a") for _ in range(6)].count(True) == 5

    asyncio.run(scenario())


def test_counts_that_cannot_be_reached_let_requests_pass_and_are_reported() -> None:
    failures: list[int] = []

    async def scenario() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            limit = limiter("1/hour", f"redis://127.0.0.1:{closed.getsockname()[1]}", failures)
            assert [await passes(limit, "a") for _ in range(3)] == [True] * 3
            await limit.close()

    asyncio.run(scenario())
    assert len(failures) == 3


@pytest.mark.parametrize("rate", ["often", "10", "/minute", "-1/minute"])
def test_wrong_rate_is_named(rate: str) -> None:
    with pytest.raises(ConfigError, match="no rate"):
        parse_rate(rate)


def test_wrong_address_is_named() -> None:
    with pytest.raises(ConfigError, match="RATE_LIMIT_URL"):
        limiter("1/hour", "carrier-pigeon://x")
