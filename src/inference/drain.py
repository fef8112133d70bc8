"""SIGTERM in steps: readiness goes off at once, the server stops listening a little later, all is finished.

A load balancer learns from readiness to send photos elsewhere; until it has, they are answered here. What has
arrived is answered; who sends so slowly that nothing would have an end is cut off.
"""

from __future__ import annotations

import asyncio
import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog
import uvicorn

from src.inference.service import Service

_log = structlog.get_logger()


@contextmanager
def drained_on_sigterm(service: Service, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Put our step before the server's own handler while the block runs; a second SIGTERM skips the wait."""
    server_stops = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or not callable(server_stops):
        yield  # nobody listens to SIGTERM here, or it just ends the process
        return
    listen_s, finish_s = service.settings.drain_s, service.settings.finish_s
    _bound(server_stops, finish_s)

    def begin(number: int) -> None:
        if service.state in {"draining", "stopping"}:
            server_stops(number, None)
            return
        service.drain()
        # Half of the time is for what still arrives, the other half for what has arrived.
        loop.call_later(listen_s + finish_s / 2, service.arrivals.cut)
        loop.call_later(listen_s, server_stops, number, None)
        _log.info("draining", listening_for_s=listen_s, finishing_for_s=finish_s)

    def on_sigterm(number: int, _: FrameType | None) -> None:
        # Nothing else is safe here: the signal may have come in the middle of a line of the log.
        loop.call_soon_threadsafe(begin, number)

    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is on_sigterm:
            signal.signal(signal.SIGTERM, server_stops)


def _bound(server_stops: object, finish_s: float) -> None:
    """Bound how long uvicorn waits for clients that do not read their reply, unless it was told itself."""
    server = getattr(server_stops, "__self__", None)
    if isinstance(server, uvicorn.Server) and server.config.timeout_graceful_shutdown is None:
        server.config.timeout_graceful_shutdown = math.ceil(finish_s)
