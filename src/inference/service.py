"""What one running app holds: its settings and its model, which is loading, ready, or failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Literal

import structlog

from src.inference.scorer import Judge, Scorer
from src.utils.errors import DetectorError, NotReadyError
from src.utils.settings import Settings

State = Literal["starting", "ok", "failed", "stopping"]
Loader = Callable[[Settings], Judge]

_log = structlog.get_logger()


def load_detector(settings: Settings) -> Judge:
    """Load the model that the settings name, with their limits.

    Raises:
        ModelError: The file is missing, damaged, or of another contract.
    """
    # NumPy, Pillow and the runtime load here, beside the event loop, so that liveness answers at once.
    from src.inference.detector import Detector  # noqa: PLC0415

    return Detector.from_settings(settings)


class Service:
    """The app's one piece of state."""

    def __init__(self, settings: Settings, loader: Loader = load_detector) -> None:
        self.settings = settings
        self.state: State = "starting"
        self._loader = loader
        self._scorer: Scorer | None = None
        self._started = monotonic()

    @property
    def uptime_s(self) -> float:
        """Seconds since the service began."""
        return monotonic() - self._started

    @property
    def scorer(self) -> Scorer:
        """The scorer of the warm model.

        Raises:
            NotReadyError: There is none yet, none that loads, or no more.
        """
        if self._scorer is None or self.state != "ok":
            raise NotReadyError(f"the model is not ready: {self.state}")
        return self._scorer

    async def start(self) -> None:
        """Load and warm the model off the event loop; liveness answers meanwhile.

        A model that does not load leaves the service up and not ready: the reason stays visible, and an
        orchestrator that watches readiness keeps the old replicas.
        """
        try:
            detector = await asyncio.to_thread(self._loader, self.settings)
        except DetectorError as error:
            self.state = "failed"
            _log.critical("model_failed", code=error.code, reason=error.message)
            return
        except BaseException:
            self.state = "failed"
            raise
        self._scorer = Scorer(
            detector,
            workers=self.settings.workers,
            queue_size=self.settings.queue_size,
            deadline_s=self.settings.deadline_s,
        )
        self.state = "ok"
        card = detector.card
        _log.info("model_ready", name=card.name, version=card.version, after_s=round(self.uptime_s, 2))

    async def stop(self) -> None:
        """Take no more photos and finish those in work."""
        self.state = "stopping"
        if self._scorer is not None:
            await asyncio.to_thread(self._scorer.close)
