"""Git repositories made on the spot, laid out as a folder of mirrors."""

from __future__ import annotations

import subprocess
from pathlib import Path

_WHO = ("-c", "user.name=tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *_WHO, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def mirror(mirrors: Path, repo: str, files: dict[str, bytes], *, bare: bool = True) -> str:
    """Make `owner/name` with one commit of `files`; the commit's hash."""
    work = mirrors / repo.replace("/", "+") / ("work" if bare else "repo")
    for name, data in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(data)
    _git(work, "init", "--quiet")
    _git(work, "add", "--all")
    _git(work, "commit", "--quiet", "--message", "photos")
    commit = _git(work, "rev-parse", "HEAD")
    if bare:
        _git(work.parent, "clone", "--quiet", "--bare", "work", "repo")
    return commit
