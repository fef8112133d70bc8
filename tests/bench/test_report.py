"""Bars are judged in both directions, and the page tells how it was made."""

from __future__ import annotations

import json

import pytest

from bench.report import Figure, Report, to_markdown, write


@pytest.mark.parametrize(
    ("value", "sense", "passed"),
    [
        (5.0, "most", True),
        (5.1, "most", False),
        (5.0, "least", True),
        (4.9, "least", False),
        (float("nan"), "most", False),
    ],
)
def test_a_bar_is_met_up_to_its_value(value, sense, passed):
    assert Figure("k", "t", value, "ms", 5.0, sense).passed is passed


def test_without_a_bar_nothing_is_judged():
    assert Figure("k", "t", 1e9).passed is None
    assert Report("t", "h", [Figure("k", "t", 1e9)], {}).passed


def test_the_page_names_bars_command_and_machine():
    report = Report("Title", "How.", [Figure("r", "ratio", 0.8, bar=0.85, sense="least")], {"cores": 2})
    page = to_markdown(report, "python -m bench.x")
    assert "| ratio | 0.8 | ≥ 0.85 | **MISS** |" in page
    assert "Written by `python -m bench.x` on: cores 2." in page


def test_both_files_are_written_and_a_miss_is_the_exit_code(tmp_path, capsys):
    report = Report("T", "H.", [Figure("k", "t", 6.0, "ms", 5.0)], {}, {"rounds": 3})
    assert write(report, tmp_path / "out", "name") == 1
    content = json.loads((tmp_path / "out" / "name.json").read_text())
    assert (content["passed"], content["rounds"]) == (False, 3)
    assert content["figures"][0]["passed"] is False
    assert (tmp_path / "out" / "name.md").read_text() == capsys.readouterr().out.removesuffix("\n")
