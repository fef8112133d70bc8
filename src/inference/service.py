"""What one running app holds: settings, access, metrics; model, store and examiner once they are there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, cast

import structlog

from src.inference.access.guard import Access
from src.inference.arrivals import Arrivals
from src.inference.budget import Budget
from src.inference.closing import Closable, closing
from src.inference.jobs import Jobs
from src.inference.rollout import Rollout
from src.inference.schemas import State
from src.inference.scorer import Judge, Scorer
from src.inference.watching import Watching
from src.monitoring.metrics import Metrics
from src.monitoring.tracing import make_tracing
from src.utils.errors import AccessError, DetectorError, NotReadyError
from src.utils.model_card import ModelCard
from src.utils.settings import Settings
from src.utils.version import package_version

if TYPE_CHECKING:
    from src.inference.examiner import Examiner
    from src.inference.predictor import Predictor
    from src.inference.remote import Fetcher
    from src.store.store import Store

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


def open_store(settings: Settings) -> Store | None:
    """Open the store that the settings name, if they name one; a database that is away is waited for later.

    Raises:
        ConfigError: The address or a folder of it is not usable.
    """
    if not settings.store_url:
        return None
    from src.store.store import Store  # noqa: PLC0415 - as above

    return Store.open(
        settings.store_url,
        spool_dir=settings.spool_dir,
        spool_bytes=settings.spool_bytes,
        write_timeout_s=settings.store_timeout_s,
        retention_days=settings.retention_days or None,
        images_dir=settings.store_images,
        image_days=settings.image_days,
    )


def open_examiner(settings: Settings) -> Examiner:
    """Make the reader of metadata.

    Raises:
        ConfigError: The trust list cannot be read.
    """
    from src.inference.examiner import Examiner  # noqa: PLC0415 - as above

    return Examiner.from_settings(settings)


def make_fetcher(settings: Settings) -> Fetcher | None:
    """Make what fetches photos from the hosts that the settings allow, if they allow any."""
    if not settings.url_hosts:
        return None
    from src.inference.remote import Fetcher  # noqa: PLC0415 - as above

    return Fetcher(
        settings.url_hosts,
        max_bytes=settings.max_bytes,
        timeout_s=settings.url_timeout_s,
        concurrency=settings.url_concurrency,
    )


class Service:
    """The app's one piece of state.

    Attributes:
        state: `starting`, then `ok` or `failed`; `draining` from SIGTERM on, when readiness is off but photos
            are still answered; `stopping` at the end.
        store: Where predictions are kept; none without one, or before it is open.
        parts: What routes made for themselves and is to be closed at the end.
    """

    def __init__(self, settings: Settings, loader: Loader = load_detector) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.tracing = make_tracing(settings, package_version())
        self.access = Access(settings, self.metrics.limiter_failed)
        self.budget = Budget(settings.max_inflight_bytes)
        self.arrivals = Arrivals()
        self.state: State = "starting"
        self.store: Store | None = None
        self.parts: list[Closable] = []
        self.jobs = Jobs(settings, self.metrics)
        self.rollout = Rollout(settings, loader, self.metrics.registry)
        self.watching = Watching(settings, self.metrics.registry)
        self._scorer: Scorer | None = None
        self._predictor: Predictor | None = None
        self._examiner: Examiner | None = None
        self._fetcher: Fetcher | None = None
        self._reloading = asyncio.Lock()
        self._started = monotonic()
        self._watch()

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
        if self._scorer is None or self.state not in {"ok", "draining"}:
            raise NotReadyError(f"the model is not ready: {self.state}")
        return self._scorer

    @property
    def predictor(self) -> Predictor:
        """What answers for the warm model; raises as `scorer` does."""
        _ = self.scorer
        if self._predictor is None:
            raise NotReadyError(f"the model is not ready: {self.state}")
        return self._predictor

    @property
    def fetcher(self) -> Fetcher:
        """What fetches photos from other hosts.

        Raises:
            AccessError: `url_disabled`: no hosts are allowed.
        """
        if self._fetcher is None:
            raise AccessError("url_disabled", "this service fetches no photos")
        return self._fetcher

    def check_ready(self) -> None:
        """Tell whether new photos should be sent here.

        Raises:
            NotReadyError: The model is not warm, or the service is going down.
        """
        if self.state != "ok":
            raise NotReadyError(f"the model is not ready: {self.state}")

    async def start(self) -> None:
        """Load the model, open the store and the examiner off the event loop; liveness answers meanwhile.

        What does not load leaves the service up and not ready: the reason stays visible, and an orchestrator
        that watches readiness keeps the old replicas.
        """
        try:
            detector, examiner = await self._load()
        except DetectorError as error:
            self.state = "failed"
            _log.critical("start_failed", code=error.code, reason=error.message)
            return
        except BaseException as error:
            self.state = "failed"
            # Nobody waits for this task until shutdown: told now, or not at all.
            _log.critical("start_failed", code="internal_error", exc_info=error)
            raise
        from src.inference.photo import limits_of  # noqa: PLC0415 - as above
        from src.inference.predictor import Predictor  # noqa: PLC0415

        settings = self.settings
        self._scorer = Scorer(
            detector,
            workers=settings.workers,
            queue_size=settings.queue_size,
            deadline_s=settings.deadline_s,
            max_batch=settings.max_batch,
            observer=self.metrics,
            on_death=self._cannot_judge,
        )
        self._predictor = Predictor(
            self._scorer,
            examiner,
            self.store,
            self.metrics,
            self.rollout.trial,
            cache_entries=settings.cache_entries,
            limits=limits_of(settings),
            tracing=self.tracing,
        )
        if settings.challenger_uri:
            self._scorer.witness = self.rollout.trial.saw
        self.rollout.begin(detector, self._swap, self._predictor.forget)
        self.jobs.start(self.store)
        self._serve(detector, "model_ready")
        self.watching.begin(lambda: self._card, lambda: self.store)
        if self.state == "starting":
            self.state = "ok"

    async def _load(self) -> tuple[Judge, Examiner]:
        detector, store, examiner, fetcher = await asyncio.gather(
            asyncio.to_thread(self.rollout.load),
            asyncio.to_thread(open_store, self.settings),
            asyncio.to_thread(open_examiner, self.settings),
            asyncio.to_thread(make_fetcher, self.settings),
            return_exceptions=True,
        )
        # What did start must be known before an error leaves here, so that `stop` can end it.
        if not isinstance(store, BaseException):
            self.store = store
        if not isinstance(examiner, BaseException):
            self._examiner = examiner
        if not isinstance(fetcher, BaseException):
            self._fetcher = fetcher
        for part in (detector, store, examiner, fetcher):
            if isinstance(part, BaseException):
                raise part
        return cast("Judge", detector), cast("Examiner", examiner)

    async def reload(self) -> None:
        """Load the model file again and serve it; photos in work are finished by the old one.

        Raises:
            ModelError: The file does not load; the old model goes on serving.
            NotReadyError: There is no model in service that could be replaced.
        """
        async with self._reloading:
            _ = self.scorer
            detector = await asyncio.to_thread(self.rollout.load)
            self.rollout.installed(detector)
            self._swap(detector)

    def _swap(self, detector: Judge) -> None:
        """Serve another model: no photo is lost, as each is finished by the model that began it."""
        if self._scorer is None or self._predictor is None:
            return
        self._scorer.detector = detector
        self._predictor.forget()
        self._serve(detector, "model_reloaded")

    @property
    def _card(self) -> ModelCard | None:
        return None if self._scorer is None else self._scorer.detector.card

    def _cannot_judge(self) -> None:
        """Turn readiness off for good: only a new process has a new worker."""
        if self.state in {"starting", "ok"}:
            self.state = "failed"

    def drain(self) -> None:
        """Turn readiness off; photos are still answered."""
        if self.state in {"starting", "ok"}:
            self.state = "draining"

    async def stop(self) -> None:
        """Take no more photos, finish those in work, and let go of the store; what fails is logged."""
        self.state = "stopping"
        with closing("Jobs"):
            await self.jobs.stop(self.settings.finish_s / 2)
        with closing("Rollout"):
            await self.rollout.stop()
        with closing("Watching"):
            await self.watching.stop()
        for part in (*self.parts, self._scorer, self._examiner, self.store, self.tracing):
            if part is not None:
                with closing(type(part).__name__):
                    await asyncio.to_thread(part.close)
        with closing("Access"):
            await self.access.close()

    def _serve(self, detector: Judge, event: str) -> None:
        card = detector.card
        self.metrics.model(card.name, card.version, card.architecture)
        _log.info(event, name=card.name, version=card.version, after_s=round(self.uptime_s, 2))

    def _watch(self) -> None:
        watch = self.metrics.watch
        watch("ready", "Whether new photos should be sent here", lambda: float(self.state == "ok"))
        watch(
            "queue_depth",
            "Photos accepted and not finished",
            lambda: float(self._scorer.pending if self._scorer is not None else 0),
        )
        watch("upload_bytes", "Bytes of uploads that are held", lambda: float(self.budget.held))
        watch(
            "examiner_backlog",
            "Photos whose metadata wait to be read or are being read",
            lambda: float(self._examiner.backlog if self._examiner is not None else 0),
        )
        self.metrics.watch_all("State of the store", self._store_values)

    def _store_values(self) -> dict[str, float]:
        if self.store is None:
            return {"store_up": 0.0}
        stats = self.store.stats()
        return {
            "store_up": float(stats.up),
            "store_waiting": stats.waiting,
            "store_spool_records": stats.spool_records,
            "store_spool_bytes": stats.spool_bytes,
            "store_lost": stats.lost,
            "store_replayed": stats.replayed,
            "store_expiry_failed": stats.expiry_failed,
        }
