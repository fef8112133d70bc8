"""What a worker process and whoever runs it tell each other."""

from __future__ import annotations

from dataclasses import dataclass

from src.scan.rows import Tally
from src.utils.errors import DetectorError


@dataclass(frozen=True, slots=True)
class Task:
    """Judge a shard; inputs in `alone` one at a time, those in `skip` not at all."""

    shard: int
    alone: frozenset[int] = frozenset()
    skip: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded."""


@dataclass(frozen=True, slots=True)
class At:
    """A shard's inputs before `index` have rows, `kept` of them from before, and the next ones are begun."""

    shard: int
    index: int
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """A shard's file is durable.

    Attributes:
        shard: Its number.
        tally: Of its rows.
        seconds: From its first input to its last; writing not counted.
        kept: Rows that were there before.
    """

    shard: int
    tally: Tally
    seconds: float
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """Why the scan cannot go on."""

    error: DetectorError
