"""What one gate found: a value held against a limit, with the room that is left."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class GateResult(BaseModel):
    """One gate.

    Attributes:
        name: What is asked, such as `family flux, unseen, against champion`.
        passed: Whether it is held.
        value: What was found; None when it was not measured, which misses the gate unless there was nothing
            to hold it against.
        limit: What it is held against.
        margin: Room left; negative when the gate is missed, None when nothing was measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    passed: bool
    value: float | None
    limit: float
    margin: float | None

    @property
    def words(self) -> str:
        """One line for people."""
        if self.value is None or self.margin is None:
            return (
                f"{self.name}: not measured{', so not held' if self.passed else ''} (limit {self.limit:.4g})"
            )
        miss = "" if self.passed else f", misses by {-self.margin:.4g}"
        return f"{self.name}: {self.value:.4g} (limit {self.limit:.4g}{miss})"


def at_least(name: str, value: float | None, limit: float) -> GateResult:
    """A gate that a value below the limit misses, or none."""
    return _result(name, value, limit, None if value is None else value - limit)


def at_most(name: str, value: float | None, limit: float) -> GateResult:
    """A gate that a value above the limit misses, or none."""
    return _result(name, value, limit, None if value is None else limit - value)


def same(name: str, mine: object, other: object) -> GateResult:
    """A gate that two things which differ miss, or one that is unknown."""
    differ = float(mine is None or mine != other)
    return _result(name, differ, 0.0, -differ)


def not_held(name: str, limit: float) -> GateResult:
    """What could not be held: it is told, and refuses nobody."""
    return GateResult(name=name, passed=True, value=None, limit=limit, margin=None)


def _result(name: str, value: float | None, limit: float, margin: float | None) -> GateResult:
    # A NaN is no passing figure: every comparison with it is false.
    passed = margin is not None and margin >= 0.0
    return GateResult(name=name, passed=passed, value=value, limit=limit, margin=margin)
