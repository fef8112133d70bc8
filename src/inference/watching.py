"""The service's watch over its traffic: begins when a model is warm, ends before the store is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from src.monitoring.drift.gauges import DriftMetrics
from src.monitoring.drift.schema import DriftReport
from src.utils.model_card import ModelCard
from src.utils.settings import Settings

if TYPE_CHECKING:
    from src.monitoring.drift.monitor import DriftMonitor
    from src.store.store import Store

_TIMEOUT_S = 10.0


class Watching:
    """Light until it begins.

    Args:
        settings: Where references may lie, and how often to look.
        registry: For gauges.
    """

    def __init__(self, settings: Settings, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._metrics = DriftMetrics(registry)
        self._monitor: DriftMonitor | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def report(self) -> DriftReport:
        """What the last look found."""
        return DriftReport(status="waiting") if self._monitor is None else self._monitor.report

    def begin(self, card: Callable[[], ModelCard | None], store: Callable[[], Store | None]) -> None:
        """Look from now on, on the running event loop, at the traffic of whatever model is in service."""
        # NumPy loads here: the app must be importable, and alive, before it does.
        from src.monitoring.drift.monitor import DriftMonitor  # noqa: PLC0415

        settings = self._settings
        self._monitor = DriftMonitor(
            card,
            store,
            (settings.model_path.parent, settings.model_cache),
            self._metrics,
            every_s=settings.drift_every_s,
            timeout_s=_TIMEOUT_S,
        )
        if settings.drift_every_s > 0:
            self._task = asyncio.create_task(self._monitor.run())

    async def look(self) -> DriftReport:
        """Look now; for those who cannot wait for the timer."""
        return self.report if self._monitor is None else await self._monitor.look()

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
