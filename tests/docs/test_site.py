"""`make docs` builds the site without a warning; it asks no other host for anything, and no link is dead."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.markdown import REPO

# A bare machine installs the environment of the site on the first call.
_INSTALL_SECONDS = 600
_LOADED = {"script": "src", "img": "src", "iframe": "src", "link": "href"}

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


class Page(HTMLParser):
    """What a page loads by itself, where it leads to, and the places in it that can be led to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        if tag in _LOADED and _LOADED[tag] in found:
            self.loads.append(found[_LOADED[tag]])
        if tag == "a" and "href" in found:
            self.leads.append(found["href"])


@pytest.fixture(scope="module")
def site() -> Path:
    environment = {name: value for name, value in os.environ.items() if name != "REPOSITORY_URL"}
    done = subprocess.run(
        ["make", "docs"],
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_INSTALL_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return REPO / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def local(pages: dict[Path, Page]) -> Iterator[tuple[Path, Path, str]]:
    """(page, file that it leads to, anchor) of every link that stays in the site."""
    for path, page in pages.items():
        for address in (*page.leads, *page.loads):
            parts = urlsplit(address)
            if not parts.scheme and not parts.netloc:
                target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
                yield path, target / "index.html" if target.is_dir() else target, unquote(parts.fragment)


def test_every_page_of_docs_and_of_the_root_is_there(site):
    names = {path.stem for path in (REPO / "docs").glob("*.md")} - {"index"}
    for name in (*names, "SECURITY", "CONTRIBUTING", "CHANGELOG", "reports/detector/report"):
        assert (site / name / "index.html").is_file(), name


def test_nothing_is_loaded_from_elsewhere(pages):
    foreign = {each for page in pages.values() for each in page.loads if urlsplit(each).netloc}
    assert foreign == set()


def test_no_link_is_dead(pages):
    dead = {
        f"{path.parent.name}: {target.name}#{anchor}"
        for path, target, anchor in local(pages)
        if not target.is_file() or (anchor and target in pages and anchor not in pages[target].ids)
    }
    assert dead == set()
    assert len(list(local(pages))) > 100
