"""Figures against their bars, and the two files that each benchmark leaves: JSON for machines, Markdown."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

VERDICTS = {None: "", True: "pass", False: "**MISS**"}


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        key: Its name in the JSON file.
        title: Its name for people.
        value: In `unit`.
        unit: Empty for ratios.
        bar: What it must be at most or at least; none where nothing is asked.
        sense: `most` or `least`.
    """

    key: str
    title: str
    value: float
    unit: str = ""
    bar: float | None = None
    sense: Literal["most", "least"] = "most"

    @property
    def passed(self) -> bool | None:
        """Whether the bar was met; none without one. A value that is not a number meets no bar."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.sense == "most" else self.value >= self.bar


@dataclass(frozen=True)
class Report:
    """What one benchmark found.

    Attributes:
        title: Heading of the page.
        how: Sentences that say how it was measured.
        figures: In the order of the page.
        machine: As `machine_facts` gives it.
        details: Everything else that the JSON file should hold.
    """

    title: str
    how: str
    figures: Sequence[Figure]
    machine: Mapping[str, str | float]
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether no bar was missed."""
        return all(figure.passed is not False for figure in self.figures)


def command_line() -> str:
    """The command that this process was started by, as it is typed in the repository."""
    module = getattr(sys.modules["__main__"], "__spec__", None)
    name = f"-m {module.name}" if module is not None else Path(sys.argv[0]).name
    return " ".join(["python", name, *map(shlex.quote, sys.argv[1:])])


def to_markdown(report: Report, command: str) -> str:
    """The report as a page."""
    lines = [
        f"# {report.title}",
        "",
        report.how,
        "",
        "| figure | value | bar | |",
        "|---|---:|---:|---|",
    ]
    for figure in report.figures:
        sign = "≤" if figure.sense == "most" else "≥"
        bar = "" if figure.bar is None else f"{sign} {figure.bar:g} {figure.unit}".rstrip()
        value = f"{figure.value:.4g} {figure.unit}".rstrip()
        lines.append(f"| {figure.title} | {value} | {bar} | {VERDICTS[figure.passed]} |")
    facts = ", ".join(f"{key} {value}" for key, value in report.machine.items())
    return "\n".join([*lines, "", f"Written by `{command}` on: {facts}.", ""])


def write(report: Report, out: Path, name: str) -> int:
    """Write `name`.json and `name`.md into a folder and print the page.

    Returns:
        The exit code: 0 when no bar was missed.
    """
    command = command_line()
    figures = [asdict(figure) | {"passed": figure.passed} for figure in report.figures]
    content = {
        "title": report.title,
        "command": command,
        "passed": report.passed,
        "figures": figures,
        "machine": dict(report.machine),
        **report.details,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
    page = to_markdown(report, command)
    (out / f"{name}.md").write_text(page)
    print(page)
    return 0 if report.passed else 1


def told(options: object) -> dict[str, Any]:
    """A benchmark's options for its report, without interpreters: their paths are those of one machine."""
    return {key: value for key, value in vars(options).items() if not key.endswith("python")}
