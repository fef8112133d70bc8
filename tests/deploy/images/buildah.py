"""Builds and runs the project's images with buildah on a bare Debian, without a Docker engine or its network.

The base is Debian's own Python under the name of the official image, which it stands in for: the same release
of Debian, the same minor version of the interpreter, the same place of `python`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPO = Path(__file__).parents[3]
BASE = "docker.io/library/python:3.11-slim-bookworm"
SUITE = "bookworm"

PIP_FILES = (Path("/etc/pip.conf"), Path("/etc/ssl/certs/ca-certificates.crt"))
"""How this machine's pip reaches its index: lent to the build, never part of an image."""


def remove(folder: Path) -> None:
    """Delete a folder in which a build may have been cut off, and nothing that is still mounted in it.

    Raises:
        SystemExit: Something is mounted below it and cannot be unmounted.
    """
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in sorted((place for place in mounts if Path(place).is_relative_to(folder)), reverse=True):
        if subprocess.run(["umount", place], check=False).returncode:
            raise SystemExit(f"{place} is mounted and in use")
    subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=True)


@dataclass(frozen=True)
class Buildah:
    """buildah with a storage of its own, so that nothing of it outlives the folder."""

    home: Path

    def command(self, *words: str) -> list[str]:
        """The words of a call."""
        places = ["--root", str(self.home / "storage"), "--runroot", str(self.home / "run")]
        return ["buildah", *places, *words]

    def __call__(self, *words: str) -> str:
        """Run a call and return what it prints.

        Raises:
            SystemExit: It failed; the message ends with what it said.
        """
        done = subprocess.run(self.command(*words), cwd=REPO, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"buildah {words[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}")
        return done.stdout.strip()

    def has(self, image: str) -> bool:
        """Whether an image is in the storage."""
        call = self.command("inspect", "--type", "image", image)
        return subprocess.run(call, capture_output=True, check=False).returncode == 0

    def make_base(self) -> None:
        """Put a bare Debian with Python under the base image's name."""
        root = self.home / "rootfs"
        remove(root)
        packages = "--include=python3-minimal,python3-venv,ca-certificates"
        subprocess.run(["debootstrap", "--variant=minbase", packages, SUITE, str(root)], check=True)
        for rest in (root / "var/cache/apt/archives", root / "var/lib/apt/lists"):
            shutil.rmtree(rest)
        for name in ("python", "python3", "python3.11"):
            (root / "usr/local/bin" / name).symlink_to("/usr/bin/python3")
        container = self("from", "scratch")
        self("add", "--quiet", container, str(root), "/")
        path = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        self("config", "--env", f"PATH={path}", container)
        self("commit", "--quiet", "--rm", container, BASE)
        remove(root)

    def build(self, dockerfile: str, tag: str) -> None:
        """Build an image from a Dockerfile of the repository."""
        lent = [f"--volume={path}:{path}:ro" for path in PIP_FILES if path.exists()]
        options = ["--isolation=chroot", "--pull-never", "--layers=false", "--format=docker", *lent]
        self("bud", *options, "--file", dockerfile, "--tag", tag, ".")

    def config(self, image: str) -> dict[str, Any]:
        """An image's configuration, as Docker reads it."""
        facts: dict[str, Any] = json.loads(self("inspect", "--type", "image", image))
        config: dict[str, Any] = facts["Docker"]["config"]
        return config

    @contextmanager
    def container(self, image: str) -> Iterator[tuple[str, Path]]:
        """A container of an image, and the folder that shows its files."""
        name = self("from", "--pull-never", image)
        try:
            yield name, Path(self("mount", name))
        finally:
            self("rm", name)

    def unpacked_bytes(self, image: str) -> int:
        """What an image takes on a disk."""
        with self.container(image) as (_, root):
            call = ["du", "-sx", "--block-size=1", str(root)]
            return int(subprocess.run(call, capture_output=True, text=True, check=True).stdout.split()[0])

    def exits(self, container: str, *words: str) -> tuple[int, str]:
        """Run a command inside as the image's user; returns its exit code and output."""
        call = self.command("run", "--isolation", "chroot", container, "--", *words)
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    @contextmanager
    def running(self, container: str, words: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run a server inside as the image's user while a block runs."""
        call = self.command("run", "--isolation", "chroot", container, "--", *words)
        with log.open("wb") as out:
            process = subprocess.Popen(call, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                yield process
            finally:
                for sign in (signal.SIGTERM, signal.SIGKILL):
                    if process.poll() is None:
                        os.killpg(process.pid, sign)
                        try:
                            process.wait(30)
                        except subprocess.TimeoutExpired:
                            continue
