"""Starts a detector in a process of its own and asks it about photos, one at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter
from types import TracebackType
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from src.evaluation import comparison_worker
from src.utils.errors import ModelError

_ROOT = Path(__file__).parents[2]
Message = TypeVar("Message", bound=BaseModel)


class Hello(BaseModel):
    """What a detector says of itself once it is loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    weights_mb: float


class Reply(BaseModel):
    """What it says of a photo.

    Attributes:
        score: Higher is more AI-generated; None when the photo was refused.
        accused: Whether it calls the photo AI-generated.
        undecided: Whether it leaves the photo to a person.
        refused: Why there is no verdict.
        ms: Milliseconds from bytes to verdict.
        peak_mb: Highest resident memory of the process so far, 10^6 bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: float | None = None
    accused: bool = False
    undecided: bool = False
    refused: str = ""
    ms: float
    peak_mb: float


class Contestant:
    """A running detector; use it as a context manager.

    Args:
        kind: `ours` or `sahu65`.
        python: The interpreter that has it installed; ours is this one.
        model: Model file, for ours.

    Raises:
        ModelError: It does not start; its own last words are quoted.
    """

    def __init__(self, kind: str, python: Path | None = None, model: Path | None = None) -> None:
        started = perf_counter()
        # A file, not a pipe: nobody reads along, and a full pipe would stop a talkative library.
        self._words = TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - lives as long as the process
        if python is None:
            command = [sys.executable, "-m", comparison_worker.__name__]
        else:
            # Isolated: neither this project nor its packages are in its way.
            command = [str(python), "-I", comparison_worker.__file__]
        self._process = subprocess.Popen(  # noqa: S603 - our own worker, by an interpreter that the caller named
            [*command, kind, "" if model is None else str(model.resolve())],
            cwd=_ROOT,
            env={name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
        )
        self.hello = self._read(Hello)
        self.load_s = perf_counter() - started

    def ask(self, photo: Path) -> Reply:
        """Judge a photo file.

        Raises:
            ModelError: The process has ended.
        """
        if self._process.stdin is None:
            raise ModelError("the detector's process takes no input")
        try:
            self._process.stdin.write(json.dumps({"path": str(photo.resolve())}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise ModelError("the detector's process has ended") from error
        return self._read(Reply)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> str:
        """Stop the process; returns what it wrote to its error stream, once."""
        if self._words.closed:
            return ""
        self._process.kill()
        self._process.communicate()
        with self._words:
            self._words.seek(0)
            return self._words.read()

    def _read(self, kind: type[Message]) -> Message:
        line = self._process.stdout.readline() if self._process.stdout else ""
        try:
            return kind.model_validate_json(line)
        except ValidationError as error:
            words = self._end().strip().splitlines()
            raise ModelError(f"a compared detector failed: {words[-1] if words else 'no reason'}") from error
