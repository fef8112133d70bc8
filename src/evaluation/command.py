"""What every command of this room shares: errors meant for a reader end it with one line and exit code 2."""

from __future__ import annotations

import argparse
import glob
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from src.utils.errors import DataError, DetectorError


def run_command(main: Callable[[Sequence[str]], int]) -> None:
    """Run `main` on the process's arguments and leave with its exit code (2 on a `DetectorError`)."""
    try:
        code = main(sys.argv[1:])
    except DetectorError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        code = 2
    sys.exit(code)


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """An argument parser whose help names the command as it is typed."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )


def expand(patterns: Sequence[str]) -> list[Path]:
    """Paths for file names and quoted globs, sorted within each pattern.

    Raises:
        DataError: A pattern matches no file.
    """
    paths: list[Path] = []
    for pattern in patterns:
        found = sorted(glob.glob(pattern))  # noqa: PTH207 - patterns may be absolute, which Path.glob refuses
        if not found:
            raise DataError(f"no file matches {Path(pattern).name}")
        paths.extend(Path(each) for each in found)
    return paths
