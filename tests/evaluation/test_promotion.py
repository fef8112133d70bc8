"""A promotion tells the registry which champion it was held against; records name what was excused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from src.evaluation.gates import GateLimits, GateResult
from src.evaluation.promotion import promote, summary
from src.utils.errors import PromotionRefused
from tests.support.registry import judged_model, valid_data


@dataclass(frozen=True)
class Numbered:
    version: int


@dataclass
class Shelf:
    """Two versions, of which the first may be champion."""

    folder: Path
    has_champion: bool = True
    told: list[tuple[int, int | None]] = field(default_factory=list)

    def find(self, which: str | int) -> Numbered:
        return Numbered(int(which))

    def champion(self) -> Numbered | None:
        return Numbered(1) if self.has_champion else None

    def model_file(self, version: Numbered, cache: Path) -> Path:
        return judged_model(self.folder, f"{version.version}.0.0")[0]

    def report_file(self, version: Numbered, cache: Path) -> Path:
        return judged_model(self.folder, f"{version.version}.0.0")[1]

    def promote(
        self, version: int, gates: list[GateResult], *, summary: str = "", against: int | None = None
    ) -> None:
        self.told.append((version, against))


@pytest.mark.parametrize(("has_champion", "against"), [(True, 1), (False, 0)])
def test_the_registry_is_told_which_champion_was_compared(tmp_path, has_champion, against):
    shelf = Shelf(tmp_path, has_champion)
    limits = GateLimits(latency_ratio=100.0)
    promote(shelf, 2, cache=tmp_path, validation=valid_data(), limits=limits)
    assert shelf.told == [(2, against)]


def test_a_missed_gate_is_never_brought_before_the_registry(tmp_path):
    shelf = Shelf(tmp_path)
    with pytest.raises(PromotionRefused, match="errors and leaks in the data"):
        promote(shelf, 2, cache=tmp_path, validation=valid_data(errors=1), limits=GateLimits())
    assert shelf.told == []


def test_excused_gates_are_named_and_not_counted_as_passed():
    good, tight, bad = (
        GateResult(name=name, passed=margin >= 0, value=0.5 + margin, limit=0.5, margin=margin)
        for name, margin in (("good", 0.25), ("tight", 0.125), ("bad", -0.25))
    )
    old = GateResult(name="old", passed=True, value=None, limit=0.5, margin=None)
    assert summary([good, old]) == "1 gates passed; 1 not measured; tightest: good: 0.75 (limit 0.5)"
    assert summary([good, tight]) == "2 gates passed; tightest: tight: 0.625 (limit 0.5)"
    assert summary([good, tight, bad], ["bad"]) == (
        "2 gates passed; 1 missed and excused: bad: 0.25 (limit 0.5, misses by 0.25); "
        "tightest: tight: 0.625 (limit 0.5)"
    )
