"""Verdicts kept by what was judged: the same bytes, model and policy get the same answer at once."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, NamedTuple, TypeVar

Answer = TypeVar("Answer")


class Key(NamedTuple):
    """What an answer depends on.

    Attributes:
        digest: SHA-256 of the photo's bytes, in hex.
        model: Number of the load, which a reload of the same version changes too.
        policy: Resolved name.
    """

    digest: str
    model: int
    policy: str


class Cache(Generic[Answer]):
    """The most recently used answers; for one thread, the event loop's.

    Args:
        entries: Most answers kept; 0 keeps none.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._answers: OrderedDict[Key, Answer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: Key) -> Answer | None:
        """Look an answer up and remember that it was asked for."""
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def put(self, key: Key, answer: Answer) -> None:
        """Keep an answer; the one that was asked for longest ago goes."""
        self._answers[key] = answer
        self._answers.move_to_end(key)
        while len(self._answers) > self._entries:
            self._answers.popitem(last=False)

    def clear(self) -> None:
        """Forget all answers."""
        self._answers.clear()
