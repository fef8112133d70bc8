"""Reads Markdown as GitHub does: fenced blocks, links, headings' anchors, code marks."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPO = Path(__file__).parents[2]
SHELLS = frozenset({"bash", "sh", "shell", "console"})

_FENCE = re.compile(r"^(`{3,}|~{3,})(\S*)[^\n]*\n(.*?)^\1[ \t]*$", flags=re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)[^)]*\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """One command line of a document: where it stands, and its text with continued lines joined."""

    document: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}: {self.text}"


def documents() -> list[str]:
    """Every Markdown file that git tracks or could track, as a path from the repository's root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    return sorted({name for name in done.stdout.split("\0") if name and (REPO / name).is_file()})


@cache
def text_of(document: str) -> str:
    return (REPO / document).read_text(encoding="utf-8")


def blocks(markdown: str) -> Iterator[tuple[str, str]]:
    """(language, content) of every fenced block."""
    for found in _FENCE.finditer(markdown):
        yield found[2], found[3]


def shell_lines(document: str, markdown: str) -> list[Line]:
    """Command lines of all shell blocks, without comments."""
    lines = []
    for language, content in blocks(markdown):
        if language in SHELLS:
            for text in re.sub(r"\\\n\s*", " ", content).splitlines():
                command = re.sub(r"(^|\s)#.*$", "", text).strip().removeprefix("$ ")
                if command:
                    lines.append(Line(document, command))
    return lines


def without_blocks(markdown: str) -> str:
    return _FENCE.sub("", markdown)


def links(markdown: str) -> list[str]:
    """Targets of links and pictures outside of code."""
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", without_blocks(markdown)))


def marks(markdown: str) -> list[str]:
    """What stands between single code marks."""
    return re.findall(r"`([^`\n]+)`", without_blocks(markdown))


def anchors(markdown: str) -> set[str]:
    """The anchors of all headings, made as GitHub makes them; a repeated heading gets a number."""
    seen: dict[str, int] = {}
    found = set()
    for heading in _HEADING.findall(without_blocks(markdown)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found
