"""Which models a service has: the champion by file or by name, a challenger on trial, and their changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from src.inference.follow import Change, Follower
from src.inference.scorer import Judge
from src.inference.shadow import Trial
from src.monitoring.rollout import RolloutMetrics
from src.utils.settings import Settings

Install = Callable[[Judge], None]

_log = structlog.get_logger()


class Rollout:
    """Models of one service.

    Args:
        settings: Name them, and say how often to look.
        loader: Makes the detector that `settings.model_path` names.
        registry: For metrics.

    Raises:
        ConfigError: A URI of the settings is none.
    """

    def __init__(
        self, settings: Settings, loader: Callable[[Settings], Judge], registry: CollectorRegistry
    ) -> None:
        self._settings = settings
        self._loader = loader
        metrics = RolloutMetrics(registry)
        self.trial = Trial(settings.canary_share, metrics)
        self._champion: Follower | None = None
        self._challenger: Follower | None = None
        if settings.model_uri:
            self._champion = Follower(settings.model_uri, settings, self._load_file, metrics, "champion")
        if settings.challenger_uri:
            load = self._load_challenger
            self._challenger = Follower(settings.challenger_uri, settings, load, metrics, "challenger")
        self._tasks: list[asyncio.Task[None]] = []

    def load(self) -> Judge:
        """Load the champion; blocks.

        Raises:
            ModelError: It is not usable.
            NotFoundError: The registry has no such model.
            RegistryError: The registry is away, and nothing was served before.
        """
        return self._loader(self._settings) if self._champion is None else self._champion.load()

    def begin(self, champion: Judge, install: Install, forget: Callable[[], None]) -> None:
        """Follow both models from now on, on the running event loop.

        Args:
            champion: What is served.
            install: Puts another champion in service.
            forget: Drops kept verdicts, when another model answers some photos.
        """
        self.trial.champion = champion

        def crown(change: Change) -> None:
            if change.detector is not None:
                self.trial.champion = change.detector
                install(change.detector)

        def try_out(change: Change) -> None:
            self.trial.begin(change.detector)
            forget()
            version = None if change.detector is None else change.detector.card.version
            _log.info("challenger_changed", version=version)

        if self._champion is not None and self._settings.model_poll_s > 0:
            self._tasks.append(asyncio.create_task(self._follow(self._champion, crown, wait=True)))
        if self._challenger is not None:
            self._tasks.append(asyncio.create_task(self._follow(self._challenger, try_out, wait=False)))

    def installed(self, champion: Judge) -> None:
        """Another champion is in service by other means, such as a reload."""
        self.trial.champion = champion

    async def stop(self) -> None:
        """Follow no more and end the trial."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(self.trial.close)
        for follower in (self._champion, self._challenger):
            if follower is not None:
                follower.close()

    async def _follow(self, follower: Follower, act: Callable[[Change], None], *, wait: bool) -> None:
        poll_s = self._settings.model_poll_s
        if wait:
            await asyncio.sleep(poll_s)
        while True:
            change = await asyncio.to_thread(follower.look, self.trial.champion)
            if change is not None:
                act(change)
            if poll_s <= 0:
                return
            await asyncio.sleep(poll_s)

    def _load_file(self, path: Path) -> Judge:
        return self._loader(self._settings.model_copy(update={"model_path": path}))

    def _load_challenger(self, path: Path) -> Judge:
        changes: dict[str, object] = {"model_path": path}
        if self._settings.canary_share == 0.0:
            changes["intra_op_threads"] = 1  # nobody waits for it
        return self._loader(self._settings.model_copy(update=changes))
