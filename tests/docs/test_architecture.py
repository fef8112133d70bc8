"""The page on the architecture shows the rooms as their test has them, and diagrams that are some."""

from __future__ import annotations

import re

import pytest

from tests.architecture.test_rooms import ROOMS
from tests.docs.markdown import REPO, blocks, documents, text_of

_ALL = ("all", "all above")
_DIAGRAMS = ("flowchart", "sequenceDiagram", "stateDiagram-v2", "classDiagram", "timeline")
_BRACKETS = {"[": "]", "(": ")", "{": "}"}


def shown_rooms() -> dict[str, str]:
    """Room -> the cell that says what it may import."""
    part = text_of("docs/ARCHITECTURE.md").split("## Rooms")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([\w.]+)` \| .+ \| (.+) \|$", part, flags=re.MULTILINE)
    return {name.removesuffix(".py"): allowed for name, allowed in rows}


def test_every_room_of_src_is_shown():
    rooms = {path.name for path in (REPO / "src").iterdir() if (path / "__init__.py").is_file()}
    assert rooms <= set(shown_rooms())


def test_what_a_room_may_import_is_what_the_test_allows():
    for room, allowed in shown_rooms().items():
        if allowed not in _ALL:
            assert set(re.findall(r"`([\w.]+)`", allowed)) == ROOMS[room], room


def unbalanced(diagram: str) -> list[str]:
    """Lines of a diagram with a bracket that is not closed."""
    wrong = []
    for line in diagram.splitlines():
        open_ones: list[str] = []
        for sign in re.sub(r"--?>>?|-\.|\.->", "", line):
            if sign in _BRACKETS:
                open_ones.append(_BRACKETS[sign])
            elif sign in _BRACKETS.values() and (not open_ones or open_ones.pop() != sign):
                open_ones.append("")
                break
        if open_ones:
            wrong.append(line)
    return wrong


@pytest.mark.parametrize("document", documents())
def test_diagrams_name_their_kind_and_close_their_brackets(document):
    for language, content in blocks(text_of(document)):
        if language == "mermaid":
            assert content.split()[0] in _DIAGRAMS
            assert unbalanced(content) == []


def test_the_architecture_has_diagrams_and_a_wrong_one_is_seen():
    assert sum(language == "mermaid" for language, _ in blocks(text_of("docs/ARCHITECTURE.md"))) > 1
    assert unbalanced("a[b --> c\nd{{e}} --> f\ng) --> h") == ["a[b --> c", "g) --> h"]
