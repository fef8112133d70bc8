"""A bound on the bytes of all uploads that are being read or worked on, however many and slow they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from src.utils.errors import OverloadedError


class Budget:
    """Counts bytes; for one thread, the event loop's.

    Args:
        most: Bytes that may be held at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Hold bytes until the block ends."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            self.held -= lease.held

    def take(self, amount: int) -> None:
        """Hold more bytes.

        Raises:
            OverloadedError: They would be too many.
        """
        if self.held + amount > self._most:
            raise OverloadedError("too many uploads are on their way; try again in a moment")
        self.held += amount


class Lease:
    """What one request holds of the budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held = 0

    def take(self, amount: int) -> None:
        """Hold more bytes.

        Raises:
            OverloadedError: They would be too many.
        """
        self._budget.take(amount)
        self.held += amount
