"""Waits and bounds that hold on a busy machine: conditions are polled, speed is computing time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_S = 60.0
"""Nothing that tests wait for takes long; a machine that runs them may be busy."""


async def until(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait on the event loop for what another thread or task brings about.

    Raises:
        TimeoutError: It did not come.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nobody sets an event for it
            await asyncio.sleep(0.002)


def eventually(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    """Wait, blocking, for what another thread or process brings about; `what` is said if it does not come."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, what
        time.sleep(0.01)


@contextmanager
def computing_within(seconds: float) -> Iterator[None]:
    """Hold the block to so many seconds of this process's own computing, whatever else the machine does.

    It sees no waiting: give what may hang a time limit, too.
    """
    begun = time.process_time()
    yield
    took = time.process_time() - begun
    assert took < seconds, f"{took:.1f} s of computing"
