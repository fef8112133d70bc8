"""Sends photos to the service without a pause, at a share of new ones that can be turned; notes each reply.

Nobody asks twice: a request that fails is a failure, also while a model is swapped.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from src.client import ApiError, DetectorClient
from src.data.layout import locate
from src.data.manifest import PhotoRecord
from src.incident.records import Answer
from src.utils.errors import DataError

_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Stage:
    """One kind of traffic.

    Attributes:
        name: For the record.
        new_share: Share of the new family.
        fake_share: Share of AI-generated ones among the others.
        pause_s: Between two photos of one sender.
    """

    name: str
    new_share: float
    fake_share: float = 0.5
    pause_s: float = 0.0


class Traffic:
    """Senders on threads of their own; start it as a context.

    Args:
        url: Of the service.
        raw: Where the photos lie.
        known: Photos of kinds that the champion knows.
        new: Photos of the new family.
        stage: To begin with.
        senders: How many photos are on their way at once.
        seed: Of every draw.

    Raises:
        DataError: Of real photos, known fakes or new ones there is none.
    """

    def __init__(
        self,
        url: str,
        raw: Path,
        *,
        known: Sequence[PhotoRecord],
        new: Sequence[PhotoRecord],
        stage: Stage,
        senders: int = 2,
        seed: int = 0,
    ) -> None:
        self._url, self._raw = url, raw
        self._rng = random.Random(seed)  # noqa: S311 - wants to be repeated, not to be secret
        self._decks = {
            "real": self._deal([each for each in known if not each.is_fake]),
            "fake": self._deal([each for each in known if each.is_fake]),
            "new": self._deal(new),
        }
        if not new or len({each.is_fake for each in known}) < 2:
            raise DataError("a kind of photos to send is missing")
        self._stage = stage
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._sent = 0
        self._answers: list[Answer] = []
        self._broken: BaseException | None = None
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(senders)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * _TIMEOUT_S)

    @property
    def answers(self) -> list[Answer]:
        """All replies so far, in the order of sending."""
        with self._lock:
            return sorted(self._answers, key=lambda each: each.number)

    def turn(self, stage: Stage) -> None:
        """Send another kind of traffic from now on."""
        with self._lock:
            self._stage = stage

    def count(self, stage: str) -> int:
        """Photos of a stage that were answered, or failed."""
        if self._broken is not None:
            raise DataError("the senders have stopped") from self._broken
        with self._lock:
            return sum(each.stage == stage for each in self._answers)

    def wait(self, stage: Stage, photos: int, timeout_s: float) -> None:
        """Turn to a stage and wait until so many of its photos were answered.

        Raises:
            DataError: They were not in time.
        """
        self.turn(stage)
        give_up = time.monotonic() + timeout_s
        while self.count(stage.name) < photos:
            if time.monotonic() > give_up:
                raise DataError(f"{photos} photos of {stage.name} were not answered in {timeout_s:.0f} s")
            time.sleep(0.05)

    def _deal(self, records: Sequence[PhotoRecord]) -> Iterator[PhotoRecord]:
        """Photos in random order, each once before any comes again."""
        while True:
            deck = list(records)
            self._rng.shuffle(deck)
            yield from deck

    def _next(self) -> tuple[int, Stage, PhotoRecord, bool]:
        with self._lock:
            stage = self._stage
            new = self._rng.random() < stage.new_share
            kind = "new" if new else "fake" if self._rng.random() < stage.fake_share else "real"
            self._sent += 1
            return self._sent, stage, next(self._decks[kind]), new

    def _send(self) -> None:
        try:
            with DetectorClient(self._url, timeout_s=_TIMEOUT_S, retries=0) as client:
                while not self._stop.is_set():
                    number, stage, record, new = self._next()
                    answer = self._one(client, number, stage, record, new=new)
                    with self._lock:
                        self._answers.append(answer)
                    self._stop.wait(stage.pause_s)
        except Exception as error:  # noqa: BLE001 - told to whoever waits for the photos
            self._broken = error

    def _one(
        self, client: DetectorClient, number: int, stage: Stage, record: PhotoRecord, *, new: bool
    ) -> Answer:
        path = locate(record, self._raw)
        if path is None:
            raise DataError(f"photo {record.photo_id} is not under the raw folder")
        told = Answer(
            number=number,
            at=datetime.now(UTC),
            stage=stage.name,
            sha256=record.sha256,
            fake=record.is_fake,
            new=new,
        )
        try:
            found = client.predict(path.read_bytes())
        except ApiError as error:
            return told.model_copy(update={"error": error.code, "fresh": False})
        return told.model_copy(
            update={
                "id": found.id,
                "label": found.label,
                "probability": found.probability,
                "needs_review": found.needs_review,
                "model_version": found.model_version,
                "fresh": found.source == "scorer",
            }
        )
