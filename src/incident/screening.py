"""Which labels a model may learn from: old enough, agreed upon, not all of one hand, not against the sight.

Whoever can send feedback can try to move the model. So a label waits, several must agree, nobody gives more
than a share, and a label that all of its neighbours contradict is listed for a person and left out. Where API
keys are in use only a key is somebody: a reviewer's name is free text. A label's own backers are no witnesses
for it: a crowd of wrong labels cannot vouch for itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Reason = Literal[
    "quarantined", "too_few_reviewers", "disagreement", "no_embedding", "over_share", "suspicious"
]

Voice = tuple[Literal["key", "reviewer"], str]
"""Somebody who can agree with others: an API key, or a name where no key came with it."""


class ScreeningRules(BaseModel):
    """What is asked of labels.

    Attributes:
        quarantine_h: Hours that the last word on a photo must be old: time to notice and take back.
        min_reviewers: Different people who must have said the same; where keys are in use, by as many keys.
        min_agreement: Share of a photo's voices that the majority must have; a key is one voice.
        max_reviewer_share: Largest share of all labels that may rest on one reviewer alone.
        max_key_share: The same for one API key.
        neighbours: How many nearest known photos are asked.
        contradiction: A label is suspicious when at least this share of them says otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    quarantine_h: float = Field(default=24.0, ge=0.0)
    min_reviewers: int = Field(default=2, ge=1)
    min_agreement: float = Field(default=0.8, gt=0.5, le=1.0)
    max_reviewer_share: float = Field(default=0.4, gt=0.0, le=1.0)
    max_key_share: float = Field(default=0.2, gt=0.0, le=1.0)
    neighbours: int = Field(default=10, ge=3)
    contradiction: float = Field(default=0.9, gt=0.5, le=1.0)


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person said last of one photo, by one key or by none."""

    reviewer: str
    key: str | None
    fake: bool
    at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A photo and all that was said of it.

    Attributes:
        sha256: Of its bytes: the same photo sent twice is one photo.
        prediction_id: Its latest prediction.
        embedding: float32 [D]; None where none was kept.
        votes: The last word of each reviewer by each key.
    """

    sha256: str
    prediction_id: str
    embedding: NDArray[np.float32] | None
    votes: tuple[Vote, ...]

    @property
    def voices(self) -> dict[Voice, float]:
        """Share of each voice's words that say AI-generated; many names by one key are one voice."""
        said: dict[Voice, list[bool]] = {}
        for vote in self.votes:
            voice: Voice = ("reviewer", vote.reviewer) if vote.key is None else ("key", vote.key)
            said.setdefault(voice, []).append(vote.fake)
        return {voice: sum(words) / len(words) for voice, words in said.items()}

    @property
    def fake(self) -> bool:
        """What the majority of voices says."""
        return self._fakes > 0.5

    @property
    def agreement(self) -> float:
        """Share of the majority."""
        return max(self._fakes, 1.0 - self._fakes)

    @property
    def backers(self) -> tuple[Vote, ...]:
        """Those of the majority."""
        return tuple(vote for vote in self.votes if vote.fake == self.fake)

    def backing(self, *, keys_only: bool) -> frozenset[Voice]:
        """Voices of the majority; of a divided one, those that mostly say so.

        Args:
            keys_only: Whether a name without a key is nobody.
        """
        fake = self.fake
        return frozenset(
            voice
            for voice, share in self.voices.items()
            if (share if fake else 1.0 - share) > 0.5 and (voice[0] == "key" or not keys_only)
        )

    @property
    def _fakes(self) -> float:
        shares = self.voices.values()
        return sum(shares) / max(1, len(shares))


class LeftOut(BaseModel):
    """A label that is not learnt from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prediction_id: str
    sha256: str
    label: Literal["real", "ai_generated"]
    reviewers: tuple[str, ...]
    reason: Reason


@dataclass(frozen=True, slots=True)
class Screened:
    """What came of it.

    Attributes:
        taken: Labels to learn from, by the photo's digest.
        left_out: The others, each with its reason.
        agreement: Mean agreement on photos that several people judged; None without one.
    """

    taken: tuple[Judged, ...]
    left_out: tuple[LeftOut, ...]
    agreement: float | None

    def count(self, reason: Reason) -> int:
        """How many were left out for a reason."""
        return sum(each.reason == reason for each in self.left_out)


@dataclass(frozen=True, slots=True, eq=False)
class Witnesses:
    """Known photos that labels are held against: float [N, D] and bool [N]."""

    embedding: NDArray[np.floating]
    fake: NDArray[np.bool_]


def screen(
    judged: Sequence[Judged], witnesses: Witnesses, now: datetime, rules: ScreeningRules | None = None
) -> Screened:
    """Divide labels into those to learn from and those to leave out.

    Args:
        judged: Photos with what was said of them.
        witnesses: Known photos, embedded by the same network.
        now: Labels younger than the quarantine wait.
        rules: What is asked.
    """
    rules = rules or ScreeningRules()
    left: list[LeftOut] = []
    several = [each.agreement for each in judged if len(each.voices) > 1]
    # A service that has keys takes no feedback without one: a bare name is from a time before.
    keyed = any(vote.key is not None for each in judged for vote in each.votes)

    def keep(photos: Sequence[Judged], reason: Reason, passes: Callable[[Judged], bool]) -> list[Judged]:
        left.extend(_left_out(each, reason) for each in photos if not passes(each))
        return [each for each in photos if passes(each)]

    ripe = now - timedelta(hours=rules.quarantine_h)
    photos = sorted(judged, key=lambda each: each.sha256)
    photos = keep(photos, "quarantined", lambda each: max(vote.at for vote in each.votes) <= ripe)
    photos = keep(photos, "disagreement", lambda each: each.agreement >= rules.min_agreement)
    photos = keep(
        photos,
        "too_few_reviewers",
        lambda each: _confirmed_by(each, keyed=keyed) >= rules.min_reviewers,
    )
    photos = keep(photos, "no_embedding", lambda each: each.embedding is not None)
    doubtful = _contradicted(photos, witnesses, rules, keyed=keyed)
    photos = keep(photos, "suspicious", lambda each: each.sha256 not in doubtful)
    within = _within_shares(photos, rules)
    photos = keep(photos, "over_share", lambda each: each.sha256 in within)
    return Screened(tuple(photos), tuple(left), float(np.mean(several)) if several else None)


def _left_out(photo: Judged, reason: Reason) -> LeftOut:
    return LeftOut(
        prediction_id=photo.prediction_id,
        sha256=photo.sha256,
        label="ai_generated" if photo.fake else "real",
        reviewers=tuple(sorted({vote.reviewer for vote in photo.votes})),
        reason=reason,
    )


def _confirmed_by(photo: Judged, *, keyed: bool) -> int:
    """How many independent people said what the label says: names, and no more of them than voices."""
    return min(len({vote.reviewer for vote in photo.backers}), len(photo.backing(keys_only=keyed)))


def _hands(photo: Judged) -> set[tuple[str, str]]:
    """Whoever could have made this label alone: its one backer by name, and the one key behind it."""
    reviewers = {("reviewer", vote.reviewer) for vote in photo.backers}
    # Names without a key are no second hand beside a key.
    keys = {("key", vote.key) for vote in photo.backers if vote.key is not None}
    return {hand for hands in (reviewers, keys) if len(hands) == 1 for hand in hands}


def _within_shares(photos: Sequence[Judged], rules: ScreeningRules) -> set[str]:
    """Digests of photos such that no hand made more than its share of them; a hand's later ones go first."""
    shares = {"reviewer": rules.max_reviewer_share, "key": rules.max_key_share}
    kept = sorted(photos, key=lambda each: (min(vote.at for vote in each.votes), each.sha256))
    while kept:
        counts = Counter(hand for each in kept for hand in _hands(each))
        over = [
            (count - shares[kind] * len(kept), (kind, name))
            for (kind, name), count in counts.items()
            if count > shares[kind] * len(kept) and shares[kind] < 1.0
        ]
        if not over:
            break
        _, worst = max(over)
        last = max(place for place, each in enumerate(kept) if worst in _hands(each))
        del kept[last]
    return {each.sha256 for each in kept}


def _contradicted(
    photos: Sequence[Judged], witnesses: Witnesses, rules: ScreeningRules, *, keyed: bool
) -> set[str]:
    """Digests of photos whose nearest neighbours say otherwise.

    Neighbours are known photos and other labelled ones, so that a new family that looks like photos is not
    taken for poison once others have found it, too: a labelled photo is a witness where somebody backs it who
    does not back the label in question.
    """
    if not photos or not len(witnesses.fake):
        return set()
    mine = np.stack([each.embedding for each in photos if each.embedding is not None]).astype(np.float64)
    known = witnesses.embedding.astype(np.float64)
    spread = known.std(axis=0)
    spread = np.maximum(spread, 0.05 * float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0)
    to_known = _distances(mine / spread, known / spread)
    to_mine = _distances(mine / spread, mine / spread)
    labels = np.array([each.fake for each in photos])
    backing = [each.backing(keys_only=keyed) for each in photos]
    independent = {voices: np.array([bool(others - voices) for others in backing]) for voices in set(backing)}
    found = set()
    for place, each in enumerate(photos):
        others = independent[backing[place]]
        distance = np.concatenate([to_known[place], to_mine[place][others]])
        says = np.concatenate([witnesses.fake, labels[others]])
        nearest = np.argsort(distance, kind="stable")[: rules.neighbours]
        if float((says[nearest] != each.fake).mean()) >= rules.contradiction:
            found.add(each.sha256)
    return found


def _distances(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared Euclidean distances [N, M]."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2.0 * first @ second.T
    distances: NDArray[np.float64] = np.maximum(squares, 0.0)
    return distances
