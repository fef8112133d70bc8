"""Rollback walks back through the champions, however they came to their place."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from src.registry.history import Change, parse_history, render_history, settled, standing
from src.utils.errors import RegistryError

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def changes(*steps: str) -> list[Change]:
    """`p1` promotes version 1, `r1` rolls back to it."""
    actions = {"p": "promote", "r": "rollback", "f": "found"}
    return [Change(action=actions[step[0]], version=int(step[1:]), at=NOW) for step in steps]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("steps", "stack"),
    [
        ((), []),
        (("p1",), [1]),
        (("p1", "p2", "p3"), [1, 2, 3]),
        (("p1", "p2", "p3", "r2"), [1, 2]),
        (("p1", "p2", "p3", "r2", "r1"), [1]),
        (("p1", "p2", "r1", "p3"), [1, 3]),
        (("p1", "p2", "r1", "p2"), [1, 2]),
        (("p1", "p1"), [1]),
        (("p1", "f4", "p5"), [1, 4, 5]),
        (("r7",), [7]),
    ],
)
def test_a_promotion_adds_and_a_rollback_takes(steps: tuple[str, ...], stack: list[int]) -> None:
    assert standing(changes(*steps)) == stack


def test_an_alias_that_was_set_by_other_means_is_noticed() -> None:
    assert settled(changes("p1"), 1, NOW) == changes("p1")
    assert settled(changes("p1"), 4, NOW) == changes("p1", "f4")
    assert settled([], None, NOW) == []


def test_the_tag_is_read_as_it_was_written_and_stays_bounded() -> None:
    many = changes(*(f"p{number}" for number in range(1, 400)))
    again = parse_history(render_history(many))
    assert again == many[-len(again) :]
    assert 1 < len(again) <= 100
    assert parse_history(None) == []


def test_a_tag_that_somebody_else_wrote_is_an_error() -> None:
    with pytest.raises(RegistryError, match="champions"):
        parse_history('[{"who": "me"}]')
