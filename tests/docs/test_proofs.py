"""Tests that documents name as proofs exist, and the ML Test Score adds up."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.docs.markdown import REPO, documents, marks, text_of

SCORE = "docs/ml-test-score.md"
_PROOF = re.compile(r"^(tests/[\w/]+\.py)::(\w+)$")
_ROW = re.compile(r"^\| (\d) \| (.+?) \| (0|0\.5|1) \| (.+) \|$", flags=re.MULTILINE)
_SECTIONS = ("Data", "Model", "Infrastructure", "Monitoring")
_TESTS_IN_SECTION = 7


@cache
def functions(path: str) -> frozenset[str]:
    """Names of all test functions of a file; none for a file that is not there."""
    file = REPO / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def unproved(markdown: str) -> list[str]:
    """Proofs that are named and do not exist."""
    named = (_PROOF.match(mark) for mark in marks(markdown))
    return [each[0] for each in named if each is not None and each[2] not in functions(each[1])]


def sections() -> dict[str, list[tuple[str, float, str]]]:
    """Section -> (test, score, evidence) of each of its rows."""
    parts = re.split(r"^## ", text_of(SCORE), flags=re.MULTILINE)[1:]
    return {
        part.splitlines()[0].split(" (")[0]: [(row[1], float(row[2]), row[3]) for row in _ROW.findall(part)]
        for part in parts
    }


@pytest.mark.parametrize("document", documents())
def test_every_proof_that_a_document_names_exists(document):
    assert unproved(text_of(document)) == []


def test_every_threat_has_an_answer_and_a_proof():
    rows = re.findall(r"^\| ([STRIDE]) \| (.+)\|$", text_of("SECURITY.md"), flags=re.MULTILINE)
    assert {kind for kind, _ in rows} == set("STRIDE")
    for _, row in rows:
        answer, place, proof = (cell.strip() for cell in row.split(" | ")[1:4])
        assert answer
        assert all((REPO / file).exists() for file in re.findall(r"`([^`]+)`", place)), place
        assert any(_PROOF.match(mark) for mark in marks(proof)), row


def test_the_score_has_seven_tests_in_each_of_four_sections():
    found = sections()
    for name in _SECTIONS:
        assert len(found[name]) == _TESTS_IN_SECTION, name


def test_a_point_needs_a_proof_and_a_zero_a_reason():
    for name in _SECTIONS:
        for test, score, evidence in sections()[name]:
            proofs = [mark for mark in marks(evidence) if _PROOF.match(mark) or mark.startswith("make ")]
            assert bool(proofs) or score == 0, test
            assert len(evidence) > 20, test


def test_the_sums_are_right_and_the_smallest_is_the_score():
    text = text_of(SCORE)
    sums = {name: sum(score for _, score, _ in sections()[name]) for name in _SECTIONS}
    for name, total in sums.items():
        assert re.search(rf"^\| {name} \| {total:g} \|$", text, flags=re.MULTILINE), (name, total)
    assert f"**Score: {min(sums.values()):g}**" in text


def test_the_checker_sees_a_proof_that_is_not_there():
    assert unproved("`tests/docs/test_proofs.py::test_fly` `tests/wings.py::test_x`") == [
        "tests/docs/test_proofs.py::test_fly",
        "tests/wings.py::test_x",
    ]
