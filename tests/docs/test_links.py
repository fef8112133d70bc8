"""Every link of every document leads somewhere: to a file that git knows, and to a heading that it has."""

from __future__ import annotations

import re
import subprocess
from pathlib import PurePosixPath

import pytest

from tests.docs.markdown import REPO, anchors, blocks, documents, links, marks, text_of

_ELSEWHERE = re.compile(r"^[a-z]+:")
_PATH = re.compile(
    r"^(src|tests|configs|deploy|docker|bench|docs|pipelines|notebooks|data|models|reports)/[\w./-]+$"
)
# Made by commands, and left out of git.
_MADE = ("data/raw", "data/processed", "data/smoke", "reports/ui")


def known() -> set[str]:
    """Files that git tracks or could track, and the folders that they are in."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    files = {name for name in done.stdout.split("\0") if name and (REPO / name).exists()}
    return files | {str(parent) for name in files for parent in PurePosixPath(name).parents}


def resolve(document: str, target: str) -> str:
    """A relative link as a path from the root; one that climbs out of the repository starts with `..`."""
    parts: list[str] = []
    for part in (PurePosixPath(document).parent / target).parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts) or "."


def broken(document: str, markdown: str, files: set[str]) -> list[str]:
    """Links of a document that lead to no file, or to no heading."""
    wrong = []
    for link in links(markdown):
        if _ELSEWHERE.match(link):
            continue
        target, _, anchor = link.partition("#")
        path = resolve(document, target) if target else document
        if path not in files:
            wrong.append(link)
        elif anchor and path.endswith(".md"):
            headings = anchors(markdown if path == document else text_of(path))
            if anchor not in headings:
                wrong.append(link)
    return wrong


def missing(markdown: str, files: set[str]) -> list[str]:
    """Paths in code marks that name a file or folder which is not there."""
    return [
        mark
        for mark in marks(markdown)
        if _PATH.match(mark) and mark.rstrip("/") not in files and not mark.startswith(_MADE)
    ]


@pytest.fixture(scope="module")
def files() -> set[str]:
    return known()


@pytest.mark.parametrize("document", documents())
def test_links_and_anchors_lead_somewhere(document, files):
    assert broken(document, text_of(document), files) == []


@pytest.mark.parametrize("document", documents())
def test_files_named_in_code_marks_exist(document, files):
    assert missing(text_of(document), files) == []


@pytest.mark.parametrize("document", documents())
def test_every_fenced_block_is_closed(document):
    fences = re.findall(r"^(?:`{3,}|~{3,})", text_of(document), flags=re.MULTILINE)
    assert len(fences) == 2 * len(list(blocks(text_of(document))))


def test_every_page_of_docs_can_be_reached_from_its_first_one():
    seen, waiting = set(), ["docs/index.md"]
    while waiting:
        document = waiting.pop()
        seen.add(document)
        targets = {resolve(document, link.partition("#")[0]) for link in links(text_of(document))}
        waiting += [
            each for each in targets if each.endswith(".md") and each not in seen and (REPO / each).is_file()
        ]
    assert [each for each in documents() if each.startswith("docs/") and each not in seen] == []


def test_the_checker_sees_what_it_is_for():
    files = {"docs/A.md", "README.md", "src/x.py", "src"}
    page = "# One two\n[a](#one-two) [b](#two) [c](../src/x.py) [d](../../out.py) ![e](no.png) [f](https://x.example)"
    assert broken("docs/A.md", page, files) == ["#two", "../../out.py", "no.png"]
    assert missing("`src/x.py` `src/y.py` `srcs/z.py`", files) == ["src/y.py"]
    assert anchors("## A `b` – c!\n## A\n## A\n```\n# no\n```") == {"a-b--c", "a", "a-1"}
    assert links('`[no](x)` [yes](y "title")\n```\n[no](z)\n```\n') == ["y"]
