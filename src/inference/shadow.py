"""A challenger on trial: it judges served photos a second time unseen, and answers a stated share of them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from queue import Full, Queue
from threading import Thread, get_native_id
from typing import TYPE_CHECKING

import structlog

from src.inference.scorer import Judge
from src.monitoring.rollout import RolloutMetrics

if TYPE_CHECKING:
    from src.inference.detection import Detection
    from src.inference.detector import Prepared

QUEUE = 16
"""Photos that may wait for their second verdict; their views take up to 2 MB each."""
_NICENESS = 10

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Case:
    """A photo that was answered, for the other model to judge; views or bytes, whichever it needs."""

    other: Judge
    by_challenger: bool
    detection: Detection
    prepared: Prepared | None
    photo: bytes


class Trial:
    """The challenger beside the champion; without one, nothing happens here.

    Args:
        share: Of photos, chosen by their content, that the challenger answers.
        metrics: Counts agreement and differences.
        queue_size: Photos that may wait for their second verdict; more are dropped.
    """

    def __init__(self, share: float, metrics: RolloutMetrics, *, queue_size: int = QUEUE) -> None:
        self.champion: Judge | None = None
        self.challenger: Judge | None = None
        self._share = share
        self._metrics = metrics
        self._queue: Queue[_Case | None] = Queue(queue_size)
        self._worker: Thread | None = None

    def begin(self, challenger: Judge | None) -> None:
        """Put a model on trial, or end the trial with None."""
        self.challenger = challenger
        if challenger is not None and self._worker is None:
            self._worker = Thread(target=self._work, name="shadow", daemon=True)
            self._worker.start()

    def choose(self, champion: Judge, digest: str) -> Judge:
        """Say who answers a photo: the same one for the same bytes, as long as share and models stay.

        Args:
            champion: The model in service.
            digest: SHA-256 of the photo's bytes, in hex.
        """
        challenger = self.challenger
        if challenger is None or int(digest[:13], 16) >= self._share * 16**13:
            self._metrics.answered("champion")
            return champion
        self._metrics.answered("challenger")
        return challenger

    def retire(self, detector: Judge, error: Exception) -> bool:
        """End the trial of a challenger that failed on a photo; False when it is not the challenger."""
        if detector is not self.challenger:
            return False
        self.challenger = None
        self._metrics.changed("challenger", "refused")
        _log.error("challenger_retired", version=detector.card.version, exc_info=error)
        return True

    def saw(self, detector: Judge, photo: bytes, prepared: Prepared, detection: Detection) -> None:
        """A photo was answered: let the other model judge it when there is time; never blocks.

        Args:
            detector: Who answered.
            photo: The file; only kept where the other model cuts other views.
            prepared: Its views, which are used again where both models see the same.
            detection: The answer.
        """
        champion, challenger = self.champion, self.challenger
        if champion is None or challenger is None:
            return
        by_challenger = detector is challenger
        other = champion if by_challenger else challenger
        same = _sees_the_same(detector, other)
        case = _Case(other, by_challenger, detection, prepared if same else None, b"" if same else photo)
        try:
            self._queue.put_nowait(case)
        except Full:
            self._metrics.not_compared("dropped")

    def close(self) -> None:
        """End the trial; what waits is still compared. Blocks until then."""
        self.challenger = None
        if self._worker is not None:
            self._queue.put(None)
            self._worker.join()
            self._worker = None

    def _work(self) -> None:
        if sys.platform == "linux":
            # A single-threaded network runs on the thread that calls it: replies go before comparisons.
            os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICENESS)
        while (case := self._queue.get()) is not None:
            try:
                self._compare(case)
            except Exception as error:  # noqa: BLE001 - a challenger's failure must reach no client
                self._metrics.not_compared("failed")
                _log.warning("shadow_failed", version=case.other.card.version, reason=type(error).__name__)

    def _compare(self, case: _Case) -> None:
        prepared = case.prepared if case.prepared is not None else case.other.prepare(case.photo)
        (second,) = case.other.judge([prepared], [case.detection.policy])
        difference = second.probability - case.detection.probability
        self._metrics.compared(
            agree=second.label == case.detection.label,
            difference=-difference if case.by_challenger else difference,
        )


def _sees_the_same(first: Judge, second: Judge) -> bool:
    a, b = first.card, second.card
    return (a.views, a.mean, a.std) == (b.views, b.mean, b.std)
