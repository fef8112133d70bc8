"""Every command of every document is one that exists: in shell blocks, and in code marks."""

from __future__ import annotations

import re

import pytest

from tests.docs.commands import CHECKERS, WrongCommandError, check, split
from tests.docs.markdown import REPO, Line, documents, marks, shell_lines, text_of

_SHOWN = sorted(set(CHECKERS) - {"cat", "cd", "curl", "export", "gh", "git", "grep"})
_IN_MARKS = re.compile(rf"^(?:{'|'.join(_SHOWN)}) \S")


def shown() -> list[Line]:
    lines = []
    for document in documents():
        text = text_of(document)
        lines += shell_lines(document, text)
        lines += [
            Line(document, each) for mark in marks(text) if _IN_MARKS.match(mark) for each in choices(mark)
        ]
    return lines


def choices(mark: str) -> list[str]:
    """`detector models list | show` names two commands; all else is one."""
    if not re.fullmatch(r"detector [a-z ]+( \| [a-z]+)+", mark):
        return [mark]
    first, *others = mark.split(" | ")
    return [first, *(f"{first.rpartition(' ')[0]} {other}" for other in others)]


def wrong(text: str) -> str | None:
    """What is wrong with a command line; None for nothing."""
    try:
        for command in split(text):
            check(command)
    except WrongCommandError as found:
        return str(found)
    return None


def each_shown() -> list[object]:
    """A module of Python is asked for its options in a process of its own, which takes a while."""
    slow = pytest.mark.slow
    return [
        pytest.param(line, marks=slow if "python -m" in line.text else (), id=str(line)) for line in shown()
    ]


@pytest.mark.parametrize("line", each_shown())
def test_what_a_document_shows_exists(line):
    assert wrong(line.text) is None


def test_the_readme_shows_every_target_of_the_makefile_or_leads_to_the_list():
    targets = set(re.findall(r"^([a-z][a-z-]*):.*##", (REPO / "Makefile").read_text(), flags=re.MULTILINE))
    text = text_of("README.md")
    shown_targets = set(re.findall(r"\bmake ([a-z][a-z-]*)", text))
    assert shown_targets <= targets
    assert targets == shown_targets or "make help" in text


def test_compound_lines_are_taken_apart():
    assert split("A=1 make x && cat y | detector detect - --json") == [
        ["A=1", "make", "x"],
        ["cat", "y"],
        ["detector", "detect", "-", "--json"],
    ]
    assert split('ID=$(curl -s "$URL" | python3 -c "f(x)[0]")') == [
        ["ID=SUBSTITUTED"],
        ["curl", "-s", "$URL"],
        ["python3", "-c", "f(x)[0]"],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "make fly",
        "make serve WINGS=2",
        "DETECTOR_WINGS=2 make serve",
        "detector fly",
        "detector models fly",
        "detector detect photo.jpg --wings",
        ".venv-serve/bin/detector keys issue name",
        "python -m src.wings",
        "python -m src.data.splits --wings 2",
        "python -m src.training.train --config configs/wings.yaml",
        "pip install -r wings.txt",
        "pip install 'ai-product-photo-detector[wings]'",
        "uvicorn src.inference.api:wings",
        "uvicorn src.inference.api:app --wings",
        "dvc fly",
        "dvc repro pipelines/wings/dvc.yaml",
        "docker build -f docker/wings.Dockerfile .",
        "docker compose up wings",
        "docker compose -f wings.yml up",
        "kubectl apply -k deploy/kubernetes/wings",
        "kubectl apply -f deploy/kubernetes/wings.yaml",
        "promtool check config deploy/wings.yml",
        "export DETECTOR_WINGS=2",
        "fly away",
    ],
)
def test_a_command_that_cannot_work_is_found(text):
    assert wrong(text) is not None
