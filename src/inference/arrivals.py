"""How long bodies may take to arrive, and how all that still do are cut off when the service goes down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from src.utils.errors import ShuttingDownError


class Arrivals:
    """The bodies that are on their way; for one event loop."""

    def __init__(self) -> None:
        self._clocks: set[asyncio.Timeout] = set()
        self._is_cut = False

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """Bound the time of the block, which reads a body.

        Raises:
            TimeoutError: The body took longer.
            ShuttingDownError: The service goes down and waits no longer for it.
        """
        try:
            async with asyncio.timeout(0.0 if self._is_cut else seconds) as clock:
                self._clocks.add(clock)
                try:
                    yield
                finally:
                    self._clocks.discard(clock)
        except TimeoutError as error:
            if self._is_cut:
                raise ShuttingDownError("the service is going down; send the photo again") from error
            raise

    def cut(self) -> None:
        """Give up on all bodies that are not complete, and on those that begin from now on."""
        self._is_cut = True
        now = asyncio.get_running_loop().time()
        for clock in self._clocks:
            clock.reschedule(now)
