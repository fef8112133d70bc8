"""Figures and tables in Markdown, one way for the report and the README."""

from __future__ import annotations

from collections.abc import Sequence

from src.evaluation.bootstrap import Figure


def number(value: float | None, digits: int = 3) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def interval(figure: Figure, digits: int = 3) -> str:
    """A figure with its interval, where it has one."""
    if figure.low is None or figure.high is None:
        return number(figure.value, digits)
    return f"{number(figure.value, digits)} ({figure.low:.{digits}f} to {figure.high:.{digits}f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
