"""A folder of bare git mirrors comes in, verified originals go out, without any network.

One `git cat-file --batch` a repository serves all of its photos.
"""

import hashlib
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from src.data.fetch import Outcome
from src.data.layout import original_path
from src.data.manifest import PhotoRecord
from src.utils.errors import DataError

# Anything else ("… missing", "… ambiguous") repeats the question, which may hold spaces.
_HEADER = re.compile(rb"[0-9a-f]{40,64} (?P<type>[a-z]+) (?P<size>[0-9]+)\n")


def copy_originals(records: Sequence[PhotoRecord], raw_dir: Path, mirrors: Path) -> Iterator[Outcome]:
    """Bring the originals of `records` under `raw_dir`, one `Outcome` each, repository by repository.

    Args:
        records: Whose originals.
        raw_dir: The folder `data/raw`.
        mirrors: Holds `owner+name/repo` (bare) or `owner+name/repo/.git` for each repository.
    """
    by_repo: dict[str, list[PhotoRecord]] = defaultdict(list)
    for record in records:
        if original_path(record, raw_dir).is_file():
            yield Outcome(record, "present")
        else:
            by_repo[record.repo].append(record)
    for repo, wanted in by_repo.items():
        git_dir = find_mirror(mirrors, repo)
        if git_dir is None:
            yield from (Outcome(record, "failed", "no mirror of the repository") for record in wanted)
        else:
            yield from _copy_from(git_dir, wanted, raw_dir)


def find_mirror(mirrors: Path, repo: str) -> Path | None:
    """The git directory of `owner/name`, or None."""
    bare = mirrors / repo.replace("/", "+") / "repo"
    for candidate in (bare / ".git", bare):
        if (candidate / "HEAD").is_file():
            return candidate
    return None


def _copy_from(git_dir: Path, records: Sequence[PhotoRecord], raw_dir: Path) -> Iterator[Outcome]:
    # A partial clone must not go to the network for a blob that it lacks.
    environment = os.environ | {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "--git-dir", str(git_dir), "cat-file", "--batch"]
    with subprocess.Popen(  # noqa: S603 - a fixed command; the rows go in by stdin
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as git:
        if git.stdin is None or git.stdout is None:
            raise DataError("git was started without pipes")
        for record in records:
            yield _copy_one(git.stdin, git.stdout, record, original_path(record, raw_dir))
        # A git that has ended leaves its last question in the buffer; every photo has its outcome by now.
        with suppress(BrokenPipeError):
            git.stdin.close()


def _copy_one(ask: IO[bytes], answer: IO[bytes], record: PhotoRecord, target: Path) -> Outcome:
    if "\n" in record.repo_path:
        return Outcome(record, "failed", "the path has a line break")
    try:
        ask.write(f"{record.commit}:{record.repo_path}\n".encode())
        ask.flush()
        header = _HEADER.fullmatch(answer.readline())
    except BrokenPipeError:
        header = None
    if header is None:
        return Outcome(record, "failed", "not in the mirror")
    size = int(header["size"])
    # Whatever it is has to be read, or it would be taken for the next answer.
    data = answer.read(size + 1)[:size]
    if header["type"] != b"blob":
        return Outcome(record, "failed", "no file in the mirror")
    if hashlib.sha256(data).hexdigest() != record.sha256:
        return Outcome(record, "failed", "the mirror's file has another sha256")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.write_bytes(data)
    part.replace(target)
    return Outcome(record, "fetched")
