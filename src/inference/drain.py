"""SIGTERM in two steps: readiness goes off at once, and the server stops listening a little later.

A load balancer learns from readiness to send photos elsewhere; until it has, they are answered here.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog

from src.inference.service import Service

_log = structlog.get_logger()


@contextmanager
def drained_on_sigterm(service: Service, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Put our step before the server's own handler while the block runs; a second SIGTERM skips the wait."""
    server_stops = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or not callable(server_stops):
        yield  # nobody listens to SIGTERM here, or it just ends the process
        return

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        wait_s = service.settings.drain_s
        if wait_s == 0 or service.state in {"draining", "stopping"}:
            server_stops(number, frame)
            return
        service.drain()
        _log.info("draining", listening_for_s=wait_s)
        loop.call_soon_threadsafe(loop.call_later, wait_s, server_stops, number, None)

    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is on_sigterm:
            signal.signal(signal.SIGTERM, server_stops)
