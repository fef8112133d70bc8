"""Scans a catalogue in a thread beside the page, so that the page stays alive meanwhile."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from src.client import ApiError, Prediction
from src.ui.preview import THUMBNAIL_SIDE, data_uri, preview
from src.ui.sources import Item

Predict = Callable[[Item], Prediction]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one photo.

    Attributes:
        order: Its place in the catalogue, from 0.
        thumbnail: Address of a small picture; None where there is none.
    """

    order: int
    name: str
    outcome: Prediction | ApiError
    thumbnail: str | None = None


class Scan:
    """One run over a catalogue in a thread of its own.

    Args:
        items: The photos; read as they are needed, so that few are held at once.
        predict: Judges one.
        total: Their number.
        workers: Photos on their way to the service at once.
        clock: Gives seconds.
    """

    def __init__(
        self,
        items: Iterator[Item],
        predict: Predict,
        *,
        total: int,
        workers: int = 3,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self._items, self._predict, self._workers, self._clock = items, predict, workers, clock
        self._rows: list[Row] = []
        self._stop = threading.Event()
        self._failed: ApiError | None = None
        self._began = clock()
        self._ended: float | None = None
        self._thread = threading.Thread(target=self._run, name="catalogue", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more photos; those on their way are waited for by the thread alone."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; says whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def running(self) -> bool:
        """Whether photos are still being judged."""
        return self._ended is None

    @property
    def stopped(self) -> bool:
        """Whether somebody asked for its end."""
        return self._stop.is_set()

    @property
    def failed(self) -> ApiError | None:
        """Why the catalogue itself could not be read to its end, if so."""
        return self._failed

    @property
    def seconds(self) -> float:
        """Seconds from the start to the end, or until now."""
        return (self._ended or self._clock()) - self._began

    def rows(self) -> list[Row]:
        """Return what there is so far, in the order of the catalogue."""
        return list(self._rows)

    def _run(self) -> None:
        try:
            self._judge_all()
        except ApiError as error:
            self._failed = error
        finally:
            self._ended = self._clock()

    def _judge_all(self) -> None:
        waiting: deque[Future[Row]] = deque()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="catalogue") as pool:
            try:
                for order, item in enumerate(self._items):
                    if self._stop.is_set():
                        break
                    waiting.append(pool.submit(self._judge, order, item))
                    if len(waiting) >= 2 * self._workers:
                        self._rows.append(waiting.popleft().result())
                while waiting:
                    self._rows.append(waiting.popleft().result())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _judge(self, order: int, item: Item) -> Row:
        if item.problem is not None:
            return Row(order, item.name, item.problem)
        try:
            found = self._predict(item)
        except ApiError as error:
            return Row(order, item.name, error)
        small = preview(item.photo, THUMBNAIL_SIDE) if item.photo is not None else None
        return Row(order, item.name, found, None if small is None else data_uri(small))
