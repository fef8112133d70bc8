"""Reviewers of a rehearsal: they judge some of the traffic as it comes, and whatever they are asked to judge.

They are simulated and tell the truth; two of three judge each photo, through the service like anybody else.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable

from src.client import ApiError, DetectorClient
from src.incident.records import Answer
from src.incident.traffic import Traffic
from src.utils.errors import DataError

NAMES = ("reviewer-1", "reviewer-2", "reviewer-3")
_EVERY_S = 0.3


class Reviewers:
    """On a thread of their own while a block runs.

    Args:
        url: Of the service.
        traffic: Whose photos they see.
        chance: Share of photos judged although nobody asked for it.
        prompted: Share of those judged that the service asked to look at.
        seed: Of every draw.
    """

    def __init__(self, url: str, traffic: Traffic, *, chance: float, prompted: float, seed: int = 0) -> None:
        self._client = DetectorClient(url, timeout_s=60)
        self._traffic = traffic
        self._chance, self._prompted = chance, prompted
        self._rng = random.Random(seed)  # noqa: S311 - wants to be repeated, not to be secret
        self._met: set[int] = set()
        self._labels: dict[str, bool] = {}
        self._failed = 0
        self._turn = 0
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Reviewers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(120)
        self._client.close()

    @property
    def labels(self) -> dict[str, bool]:
        """What they said, by digest of the photo."""
        with self._lock:
            return dict(self._labels)

    @property
    def failed(self) -> int:
        """Labels that the service did not take."""
        with self._lock:
            return self._failed

    def ask(self, digests: Iterable[str], most: int) -> int:
        """Have at most so many photos judged that are not yet; returns how many were."""
        by_digest = {each.sha256: each for each in self._traffic.answers if each.id is not None}
        done = 0
        for digest in digests:
            if done >= most:
                break
            if digest not in by_digest:
                raise DataError("reviewers were asked about a photo that was never sent")
            with self._lock:
                done += self._judge(by_digest[digest])
        return done

    def _run(self) -> None:
        while not self._stop.is_set():
            for answer in self._traffic.answers:
                if answer.number in self._met or answer.id is None:
                    continue
                self._met.add(answer.number)
                share = self._prompted if answer.needs_review else self._chance
                if answer.fresh and self._rng.random() < share:
                    with self._lock:
                        self._judge(answer)
            self._stop.wait(_EVERY_S)

    def _judge(self, answer: Answer) -> bool:
        if answer.sha256 in self._labels or answer.id is None:
            return False
        self._turn += 1
        try:
            for offset in (0, 1):
                self._client.feedback(
                    answer.id,
                    "ai_generated" if answer.fake else "real",
                    reviewer=NAMES[(self._turn + offset) % len(NAMES)],
                )
        except ApiError:
            self._failed += 1
            return False
        self._labels[answer.sha256] = answer.fake
        return True
