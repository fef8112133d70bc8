"""How often a client may ask: sliding windows by the `limits` library, in memory or in Redis."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import structlog

from src.utils.errors import ConfigError, RateLimitedError

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.aio.strategies import RateLimiter
    from redis.asyncio import ConnectionPool

_PATIENCE_S = 0.25
"""What a request waits for the counts at most; a slow Redis must not become a slow service."""
_REST_S = 1.0
"""How long the counts are left alone after they could not be reached."""

_log = structlog.get_logger()


class Limiter:
    """Counts requests by client.

    When the counts cannot be reached, requests pass: the queue still bounds the work. Each such request is
    reported to `on_failure`.

    Args:
        rate: The limit for clients that have none of their own; empty is none.
        url: Where the counts are.
        on_failure: Called when they could not be reached.

    Raises:
        ConfigError: A limit or the address is none that is understood.
    """

    def __init__(self, rate: str, url: str, on_failure: Callable[[], None]) -> None:
        # Imported here: the app must be importable, and its liveness answer, before this is loaded.
        from limits.aio.strategies import SlidingWindowCounterRateLimiter  # noqa: PLC0415
        from limits.errors import ConfigurationError  # noqa: PLC0415
        from limits.storage import storage_from_string  # noqa: PLC0415

        self._pool = _redis_pool(url) if url.startswith("redis") else None
        options: dict[str, Any] = (
            {} if self._pool is None else {"implementation": "redispy", "connection_pool": self._pool}
        )
        try:
            storage = storage_from_string(f"async+{url}", **options)
            self._limiter: RateLimiter = SlidingWindowCounterRateLimiter(storage)
        except (ConfigurationError, NotImplementedError, ValueError) as error:
            raise ConfigError("DETECTOR_RATE_LIMIT_URL: use memory:// or redis://host:port") from error
        errors = storage.base_exceptions
        own = errors if isinstance(errors, tuple) else (errors,)
        self._errors: tuple[type[Exception], ...] = (TimeoutError, OSError, *own)
        self._on_failure = on_failure
        self._rests_until = 0.0
        self._default = parse_rate(rate)

    async def charge(self, client: str, rate: str = "", cost: int = 1) -> None:
        """Count a client's request.

        Args:
            client: Key or address; the counts are kept under it.
            rate: The client's own limit.
            cost: How many requests this one is worth.

        Raises:
            RateLimitedError: It is one too many.
        """
        items = parse_rate(rate) if rate else self._default
        if items and time.monotonic() < self._rests_until:
            self._on_failure()
            return
        for item in items:
            # More at once than a window holds would never pass; it costs a whole window instead.
            worth = min(cost, item.amount)
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    passed = await self._limiter.hit(item, client, cost=worth)
                    wait_s = 0 if passed else await self._wait(item, client)
            except self._errors as error:
                self._rests_until = time.monotonic() + _REST_S
                self._on_failure()
                _log.warning("rate_limit_unreachable", reason=type(error).__name__)
                return
            if not passed:
                raise RateLimitedError(f"more than {item.amount} requests in {item.get_expiry()} s", wait_s)

    async def close(self) -> None:
        """Let go of connections."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _wait(self, item: RateLimitItem, client: str) -> int:
        stats = await self._limiter.get_window_stats(item, client)
        return max(1, min(item.get_expiry(), math.ceil(stats.reset_time - time.time())))


def _redis_pool(url: str) -> ConnectionPool:
    from redis.asyncio import ConnectionPool  # noqa: PLC0415 - as above

    try:
        return ConnectionPool.from_url(url, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S)
    except ValueError as error:
        raise ConfigError("DETECTOR_RATE_LIMIT_URL: use redis://host:port") from error


@lru_cache(maxsize=256)
def parse_rate(rate: str) -> list[RateLimitItem]:
    """Read `600/minute`, or several limits with `;` between them; an empty text is no limit.

    Raises:
        ConfigError: It is none of these.
    """
    from limits import parse_many  # noqa: PLC0415 - see above

    if not rate:
        return []
    try:
        return parse_many(rate)
    except ValueError as error:
        raise ConfigError(f"{rate!r} is no rate; write 600/minute") from error
