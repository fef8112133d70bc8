"""Says what is wrong with a command that a document shows: a target, module, option or file that is missing.

Each program has its checker, which asks the program's own parser where it can; one without is an error.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import yaml
from dvc.cli import DvcParserError  # type: ignore[import-untyped]
from dvc.cli.parser import get_main_parser  # type: ignore[import-untyped]
from typer.main import get_command

from src.cli import app
from src.utils.settings import Settings
from tests.docs.markdown import REPO

_ASSIGNMENT = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*=")
_ELLIPSIS = "…"
_HELP_SECONDS = 300


class WrongCommandError(Exception):
    """The command cannot work as it is written."""


def split(text: str) -> list[list[str]]:
    """The simple commands of a command line, as words; those inside `$(…)` come as commands of their own."""
    outer, inner = _substitutions(text)
    lexer = shlex.shlex(outer, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if word in {"&&", "||", "|", ";", "&"}:
            found.append([])
        else:
            found[-1].append(word)
    return [command for command in found if command] + [each for part in inner for each in split(part)]


def _substitutions(text: str) -> tuple[str, list[str]]:
    """The line with a word in place of each `$(…)`, and what stood inside of them."""
    inner = []
    while (start := text.find("$(")) >= 0:
        end, depth = start + 2, 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        inner.append(text[start + 2 : end - 1])
        text = f"{text[:start]}SUBSTITUTED{text[end:]}"
    return text, inner


def check(words: Sequence[str]) -> None:
    """Hold one simple command against what there is.

    Raises:
        WrongCommandError: With what is not there.
    """
    words = list(words)
    while words and _ASSIGNMENT.match(words[0]):
        _variable(words.pop(0).partition("=")[0])
    if not words or words[-1] == _ELLIPSIS:
        return
    program = words[0]
    for folder in (".venv/bin/", ".venv-serve/bin/", ".venv-ui/bin/", ".venv-docs/bin/"):
        program = program.removeprefix(folder)
    checker = CHECKERS.get("python" if program == "python3" else program)
    if checker is None:
        raise WrongCommandError(f"nothing here checks commands of {program}")
    checker(words[1:])


@cache
def _makefile() -> str:
    return (REPO / "Makefile").read_text(encoding="utf-8")


def _variable(name: str) -> None:
    """A variable of the service must be one of its settings; others are the shell's own."""
    if name.startswith("DETECTOR_"):
        field = name.removeprefix("DETECTOR_").lower()
        others = "".join(
            (REPO / each).read_text() for each in ("docker-compose.yml", "Makefile", "src/ui/settings.py")
        )
        if field not in Settings.model_fields and name not in others:
            raise WrongCommandError(f"no setting {name}")


def _make(words: list[str]) -> None:
    for word in words:
        if _ASSIGNMENT.match(word):
            name = word.partition("=")[0]
            if not name.startswith("DETECTOR_") and f"$({name})" not in _makefile():
                raise WrongCommandError(f"the Makefile uses no variable {name}")
        elif not word.startswith("-") and not re.search(rf"^{re.escape(word)}:", _makefile(), re.MULTILINE):
            raise WrongCommandError(f"no target {word}")


def _detector(words: list[str]) -> None:
    command: Any = get_command(app)
    names = [word for word in words if not word.startswith("[")]
    while hasattr(command, "commands") and names:
        if names[0] not in command.commands:
            raise WrongCommandError(f"detector has no command {' '.join(words)}")
        command = command.commands[names.pop(0)]
    if hasattr(command, "commands"):
        return
    options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    for word in names:
        if word.startswith("--") and word.partition("=")[0] not in options:
            raise WrongCommandError(f"detector {' '.join(words)}: no option {word}")
    if names:  # a bare name stands for the command, whatever it needs
        try:
            command.make_context("detector", names)
        except Exception as error:
            raise WrongCommandError(f"detector {' '.join(words)}: {error}") from error


@cache
def _help(module: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=_HELP_SECONDS,
        check=False,
    )
    if done.returncode:
        raise WrongCommandError(f"python -m {module} --help fails: {done.stderr}")
    return done.stdout


def _python(words: list[str]) -> None:
    if words[:1] == ["-c"]:
        return
    if words[:1] != ["-m"]:
        raise WrongCommandError("only `python -m` and `python -c` are checked")
    module, options = words[1], [word.partition("=")[0] for word in words[2:] if word.startswith("--")]
    if find_spec(module) is None:
        raise WrongCommandError(f"no module {module}")
    for option in options:
        if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", _help(module)):
            raise WrongCommandError(f"{module} has no option {option}")
    _files(words[2:])


def _files(words: list[str]) -> None:
    """Words that look like files of the repository must be some."""
    for word in words:
        if re.match(r"^(configs|deploy|docker|pipelines|src|tests)/", word) and not (REPO / word).exists():
            raise WrongCommandError(f"no file {word}")


def _tool(words: list[str]) -> None:
    """promtool and amtool: files only, as tests/deploy runs these very commands."""
    named = [word for word in words if "/" in word]
    if not named:
        raise WrongCommandError("names no file")
    _files(named)


def _pip(words: list[str]) -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    for before, word in pairwise(words):
        if before == "-r" and not (REPO / word).is_file():
            raise WrongCommandError(f"no file {word}")
        found = re.fullmatch(rf"(?:{project['name']}|\.)\[(.+)\]", word)
        for extra in found[1].split(",") if found else ():
            if extra not in project["optional-dependencies"]:
                raise WrongCommandError(f"no extra {extra}")


def _uvicorn(words: list[str]) -> None:
    _python(["-m", "uvicorn", *words])
    module, _, name = words[0].partition(":")
    if not hasattr(import_module(module), name):
        raise WrongCommandError(f"no app {name} in {module}")


def _dvc(words: list[str]) -> None:
    try:
        parsed = get_main_parser().parse_args(words)
    except (DvcParserError, SystemExit) as error:
        raise WrongCommandError(f"dvc {' '.join(words)}") from error
    _files([str(target) for target in getattr(parsed, "targets", None) or []])


@cache
def _services() -> frozenset[str]:
    files = ("docker-compose.yml", "docker-compose.prod.yml")
    return frozenset(name for file in files for name in yaml.safe_load((REPO / file).read_text())["services"])


_COMPOSE = {"up", "run", "exec", "build", "ps", "logs", "restart", "stop", "down", "pull", "config"}
_SERVICE_FIRST = {"run", "exec"}
_WITH_VALUE = {"--tail", "--since", "-f", "--file", "--profile", "--env-file"}


def _docker(words: list[str]) -> None:
    if words[:1] != ["compose"]:
        for before, word in pairwise(words):
            if before == "-f" and not (REPO / word).is_file():
                raise WrongCommandError(f"no file {word}")
        if "detector" in words:
            _detector(words[words.index("detector") + 1 :])
        return
    plain: list[str] = []
    waiting = False
    for before, word in pairwise(words):
        if before in {"-f", "--file"} and not plain and not (REPO / word).is_file():
            raise WrongCommandError(f"no file {word}")
        if waiting or word.startswith("-"):
            waiting = word in _WITH_VALUE
        else:
            plain.append(word)
    if plain[0] not in _COMPOSE:
        raise WrongCommandError(f"docker compose has no {plain[0]} that is known here")
    services = plain[1:2] if plain[0] in _SERVICE_FIRST else plain[1:]
    for service in services:
        if service not in _services():
            raise WrongCommandError(f"no service {service} in the compose files")


def _kubectl(words: list[str]) -> None:
    """What it applies must be there; the rest is the cluster's own."""
    for before, word in pairwise(words):
        folder = before == "-k" and not (REPO / word / "kustomization.yaml").is_file()
        if folder or (before == "-f" and not (REPO / word).is_file()):
            raise WrongCommandError(f"no file {word}")


def _export(words: list[str]) -> None:
    for word in words:
        _variable(word.partition("=")[0])


def _plain(_words: list[str]) -> None:
    """Commands of the system, which do not change with this repository."""


CHECKERS: dict[str, Callable[[list[str]], None]] = {
    "make": _make,
    "detector": _detector,
    "python": _python,
    "promtool": _tool,
    "amtool": _tool,
    "pip": _pip,
    "uvicorn": _uvicorn,
    "dvc": _dvc,
    "docker": _docker,
    "kubectl": _kubectl,
    "export": _export,
    "curl": _plain,  # test_api_calls runs those of docs/API.md, tests/e2e the README's
    **dict.fromkeys(("cat", "cd", "git", "gh", "grep", "openssl", "apt-get"), _plain),
}
