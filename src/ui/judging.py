"""Photos of one session and what became of them; a verdict is asked for once and remembered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from src.client import ApiError, Explanation, Prediction
from src.ui.preview import preview

_PASSING = {0, 401, 403, 408, 429, 500, 502, 503, 504}
"""Statuses that another try may change: not remembered."""


class Judge(Protocol):
    """What of the client is used here."""

    def predict_many(
        self, photos: Sequence[bytes], *, policy: str | None = None, stability: bool = False, workers: int = 4
    ) -> Iterator[Prediction | ApiError]:
        """Judge photos."""
        ...

    def explain(self, photo: bytes, *, policy: str | None = None) -> Explanation:
        """Judge one photo and show where the verdict comes from."""
        ...


@dataclass(frozen=True, slots=True)
class Upload:
    """A photo as a person gave it; `photo` is None for one that the service fetched itself."""

    name: str
    photo: bytes | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a photo.

    Attributes:
        outcome: Its verdict, or why there is none.
        picture: JPEG to look at, if it can be shown.
        explained: Where the verdict comes from, why that is not known, or None before it was asked for.
    """

    upload: Upload
    outcome: Prediction | ApiError
    when: datetime
    picture: bytes | None = None
    explained: Explanation | ApiError | None = None


class Desk:
    """The photos of one session.

    Args:
        most: Remembered verdicts; the oldest are forgotten first.
    """

    def __init__(self, most: int = 48) -> None:
        self._most = most
        self._known: dict[str, Judged] = {}

    def judge(
        self, judge: Judge, uploads: Sequence[Upload], policy: str | None, *, stability: bool = False
    ) -> list[Judged]:
        """Return what became of each photo; only those that are not known yet are sent."""
        keys = [_key(upload, policy, stability=stability) for upload in uploads]
        new = {key: upload for key, upload in zip(keys, uploads, strict=True) if key not in self._known}
        sent = [upload.photo for upload in new.values() if upload.photo is not None]
        found: dict[str, Judged] = {}
        outcomes = judge.predict_many(sent, policy=policy, stability=stability)
        for (key, upload), outcome in zip(new.items(), outcomes, strict=True):
            found[key] = self._made(upload, outcome)
        self.remember(found)
        return [found.get(key) or self._known[key] for key in keys]

    def explain(self, judge: Judge, judged: Judged, policy: str | None, *, stability: bool = False) -> Judged:
        """Return a photo with where its verdict comes from; asked for once."""
        photo = judged.upload.photo
        if photo is None or isinstance(judged.explained, Explanation) or isinstance(judged.outcome, ApiError):
            return judged
        try:
            explained = replace(judged, explained=judge.explain(photo, policy=policy))
        except ApiError as error:
            return replace(judged, explained=error)
        self.remember({_key(judged.upload, policy, stability=stability): explained})
        return explained

    def remember(self, found: dict[str, Judged]) -> None:
        """Keep what another try would not change."""
        for key, judged in found.items():
            error = judged.outcome
            if isinstance(error, ApiError) and error.status in _PASSING:
                continue
            self._known.pop(key, None)
            self._known[key] = judged
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]

    @staticmethod
    def _made(upload: Upload, outcome: Prediction | ApiError) -> Judged:
        shown = upload.photo is not None and isinstance(outcome, Prediction)
        picture = preview(upload.photo) if shown and upload.photo is not None else None
        return Judged(upload, outcome, datetime.now(UTC), picture)


def _key(upload: Upload, policy: str | None, *, stability: bool) -> str:
    digest = hashlib.sha256(upload.photo or b"").hexdigest()
    return f"{digest}|{policy}|{stability}|{upload.name}"
