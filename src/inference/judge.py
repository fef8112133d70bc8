"""The scorer's terms: a photo on its way, who judges it, who hears how it goes, who sees the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from src.utils.model_card import ModelCard

if TYPE_CHECKING:
    from src.inference.detection import Detection
    from src.inference.detector import Prepared
    from src.inference.photo import Photo


class Judge(Protocol):
    """What the service needs of a detector."""

    @property
    def card(self) -> ModelCard:
        """The contract of the loaded model."""
        ...

    def prepare(self, photo: Photo) -> Prepared:
        """Decode a photo and cut its views; may take long, may be called from several threads."""
        ...

    def judge(self, items: Sequence[Prepared], policies: Sequence[str | None]) -> list[Detection]:
        """Judge prepared photos together; called from one thread."""
        ...


class Observer(Protocol):
    """Whoever wants to know how the work goes; called from the worker's thread."""

    def batch(self, size: int) -> None:
        """So many photos go into one inference."""
        ...

    def stage(self, name: str, seconds: float) -> None:
        """A photo has passed a stage."""
        ...


Witness = Callable[[Judge, bytes, "Prepared", "Detection"], None]
"""Sees every photo that was answered, with who answered; called from the worker's thread, must not block."""


@dataclass(slots=True, eq=False)
class Job:
    """One accepted photo on its way; times are those of `perf_counter`.

    Attributes:
        variant: Makes a changed form of a photo that has its verdict; judged in place of `photo`, off the
            event loop, and shown to no witness.
    """

    detector: Judge
    photo: bytes
    policy: str | None
    accepted: float
    expires: float
    state: Literal["waiting", "working", "done"] = "waiting"
    given_up: bool = False
    prepared: Prepared | None = None
    variant: Callable[[], Photo] | None = None
    future: Future[Detection] = field(default_factory=Future)

    def prepare(self) -> Prepared:
        """Decode and cut views; may take long."""
        return self.detector.prepare(self.photo if self.variant is None else self.variant())
