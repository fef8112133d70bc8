"""A detector that records what it is asked and answers when told to."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from src.inference.detection import Detection
from src.inference.detector import Prepared
from tests.support.patience import PATIENCE_S
from tests.support.service import nothing_prepared
from tests.support.tiny_model import tiny_card


class Recording:
    """A detector whose inference waits for its gate and remembers its batches; photos are names."""

    card = tiny_card()

    def __init__(self, detection: Detection) -> None:
        self.gate = threading.Event()
        self.prepared: list[bytes] = []
        self.batches: list[int] = []
        self.poison: set[int] = set()
        self._detection = detection
        self._photos: dict[int, bytes] = {}

    def prepare(self, photo: bytes) -> Prepared:
        self.prepared.append(photo)
        item = nothing_prepared()
        self._photos[id(item)] = photo
        return item

    def judge(self, items: Sequence[Prepared], policies: Sequence[str | None]) -> list[Detection]:
        assert len(items) == len(policies)
        self.batches.append(len(items))
        assert self.gate.wait(PATIENCE_S)
        if any(self._photos[id(item)] == b"poison" for item in items):
            raise FloatingPointError
        return [self._detection.model_copy(update={"policy": policy or "none"}) for policy in policies]


class Heard:
    def __init__(self) -> None:
        self.batches: list[int] = []
        self.stages: list[tuple[str, float]] = []

    def batch(self, size: int) -> None:
        self.batches.append(size)

    def stage(self, name: str, seconds: float) -> None:
        self.stages.append((name, seconds))
