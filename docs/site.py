"""Hook of mkdocs: takes in the pages beside docs/, and leads every link to where it is in the site.

In the repository pages lead to each other by their paths, as people read them there. Reports and documents
of the root become pages, too; what is code leads to the repository where its address is known
(`REPOSITORY_URL`), and is plain text where it is not.
"""  # noqa: INP001 - a hook that mkdocs loads by its path

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

REPO = Path(__file__).parents[1]
BESIDE = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
REPORTS = ("*.md", "*.png", "*.html")

_FENCED = re.compile(r"(^```.*?^```[^\n]*$)", flags=re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(!?)\[((?:[^\]\[]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents of the root, and the reports with their plots."""
    reports = [path for kind in REPORTS for path in sorted((REPO / "reports").rglob(kind))]
    for path in [*(REPO / name for name in BESIDE), *reports]:
        uri = path.relative_to(REPO).as_posix()
        listed = InclusionLevel.UNDEFINED if uri in BESIDE else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, uri, abs_src_path=str(path), inclusion=listed))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of one page, code blocks aside."""
    here = posixpath.dirname(page.file.src_uri)
    source = here if _is_beside(page.file.src_uri) else posixpath.join("docs", here)

    def lead(found: re.Match[str]) -> str:
        mark, text, target, anchor = found[1], found[2], found[3], found[4] or ""
        if ":" in target or target.startswith("/"):
            return found[0]
        path = posixpath.normpath(posixpath.join(source, target))
        uri = path.removeprefix("docs/")
        for known in (uri, posixpath.join(uri, "README.md")):
            if files.get_file_from_path(known) is not None:
                return f"{mark}[{text}]({posixpath.relpath(known, here or '.')}{anchor})"
        if not (REPO / path).exists():
            return found[0]  # mkdocs will say that it leads nowhere
        repository = str(config.extra.get("repository") or "").rstrip("/")
        return f"{mark}[{text}]({repository}/blob/main/{path})" if repository else text

    parts = _FENCED.split(markdown)
    return "".join(part if index % 2 else _LINK.sub(lead, part) for index, part in enumerate(parts))


def _is_beside(uri: str) -> bool:
    return uri in BESIDE or uri.startswith("reports/")
