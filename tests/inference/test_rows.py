"""What `detector detect` tells of a photo's generator: a family as a hint, or that none is known."""

from __future__ import annotations

import pytest

from src.inference.rows import Row, csv_lines, table


@pytest.mark.parametrize(
    ("attribution", "cell", "note"),
    [
        ({"family": None, "confidence": 0.17, "unknown": True}, ",unknown,", "generator unknown"),
        ({"family": "flux", "confidence": 0.81, "unknown": False}, ",flux (81%),", "resembles flux (81%)"),
        (None, "0.5,False,0.5,balanced,1,,,,,", ""),
    ],
)
def test_a_generator_is_named_with_its_chance_or_plainly_unknown(
    attribution: dict[str, object] | None,
    cell: str,
    note: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    row = Row("a.jpg", "real", 0.5, 0.5, False, 0.5, "balanced", "1", attribution=attribution)
    with csv_lines() as write:
        write(row)
    assert cell in capsys.readouterr().out
    with table() as write:
        write(row)
    shown = capsys.readouterr().out
    assert note in shown
    assert ("unknown (" in shown) is False
