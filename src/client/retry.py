"""When to ask again, and how long to wait before: exponential backoff with jitter, `Retry-After` first."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from src.client.errors import ApiError, ApiUnreachable

_REFUSED = {429, 503}
"""Told before any work was done: asking again is safe for every call."""
_GATEWAY = {502, 504}
"""The work may have been done: only calls that may be repeated ask again."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How patient a client is.

    Attributes:
        retries: Tries after the first one.
        base_s: Longest wait before the second try; it doubles with each further one.
        most_s: Longest wait of all. A service that asks for a longer one is not waited for.
        draw: Gives numbers from 0 to 1, for the jitter.
    """

    retries: int = 3
    base_s: float = 0.25
    most_s: float = 30.0
    draw: Callable[[], float] = random.random

    def wait(self, error: ApiError, tries: int, *, repeatable: bool) -> float | None:
        """Return the seconds to wait before another try, or None if there is to be none.

        The jitter is "full" (Brooker 2015): clients that failed together do not come back together.

        Args:
            error: How the last try ended.
            tries: Tries so far, from 1.
            repeatable: The call may be done twice without harm.
        """
        if tries > self.retries or not _worth_it(error, repeatable=repeatable):
            return None
        jitter = self.draw() * min(self.most_s, self.base_s * 2.0 ** (tries - 1))
        if error.retry_after_s is None:
            return jitter
        # Never earlier than asked for; a little later, so that not all come at that very moment.
        return None if error.retry_after_s > self.most_s else error.retry_after_s + jitter


def _worth_it(error: ApiError, *, repeatable: bool) -> bool:
    if isinstance(error, ApiUnreachable):
        return repeatable or not error.sent
    return error.status in _REFUSED or (repeatable and error.status in _GATEWAY)


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Read a `Retry-After` header: seconds, or a date (RFC 9110, 10.2.3).

    Returns:
        Seconds from now, at least 0; None where there is no header or none that can be read.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
