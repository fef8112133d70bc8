"""Which servers the tests of each folder run, that CI installs all of them, and that it goes on without."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.programs import PACKAGES

REPO = Path(__file__).parents[2]
RUN = REPO / ".ci" / "run"
CONSTANTS = {name: value for name, value in vars(programs).items() if isinstance(value, str)}

NEEDS = {
    "deploy": {"nginx", "prometheus", "promtool", "prometheus-alertmanager", "amtool"},
    "inference/access": {"redis-server"},
    "incident": {"prometheus", "prometheus-alertmanager"},
    "integration": {"initdb", "nginx", "redis-server"},
    "registry": {"initdb"},
    "store": {"initdb"},
    "ui": {"chromium", "chromedriver"},
}
"""Folder of tests: the programs that some of them run; without one, they are skipped and say so."""


def programs_of(path: Path) -> set[str]:
    """Programs that a module asks for: by `which`, `program` or `needs`, or by the builder of PostgreSQL."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "tests.support":
            found |= {"initdb" for alias in node.names if alias.name == "postgres"}
        if isinstance(node, ast.ImportFrom) and node.module == "tests.support.postgres":
            found.add("initdb")
        if isinstance(node, ast.Call) and node.args and _name(node.func) in {"which", "program", "needs"}:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
            elif isinstance(first, ast.Name) and first.id in CONSTANTS:
                found.add(CONSTANTS[first.id])
    return found


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def test_each_folder_runs_the_programs_that_are_said_of_it() -> None:
    found: dict[str, set[str]] = {}
    for path in sorted((REPO / "tests").rglob("*.py")):
        folder = path.parent.relative_to(REPO / "tests").as_posix()
        # Whatever else is looked for, pg_ctl or make, is no server of a package of its own.
        if folder not in {"support", "architecture"} and (asked := programs_of(path) & set(PACKAGES)):
            found.setdefault(folder, set()).update(asked)
    assert found == NEEDS


def test_ci_installs_the_package_of_each_program_and_no_other() -> None:
    listed = re.search(r"^servers=\((.*)\)$", RUN.read_text(), flags=re.MULTILINE)
    assert listed is not None
    assert sorted(listed[1].split()) == sorted(set(PACKAGES.values()))
    assert set().union(*NEEDS.values()) == set(PACKAGES)


class Debian:
    """Stands in for apt-get, dpkg-query and make; `has` is what can be installed."""

    def __init__(self, folder: Path, *, root: bool = True, has: str = "") -> None:
        self.folder, self.log = folder, folder / "log"
        self.policy = folder / "policy-rc.d"
        self._tool("id", f"echo {0 if root else 1000}")
        self._tool("make", f'echo "make $* $(cat)" >>{self.log}')
        self._tool("dpkg-query", f'grep -qx "${{@: -1}}" {folder}/installed && echo installed')
        self._tool(
            "apt-get",
            f"""for last in "$@"; do :; done
            [[ -e {self.policy} ]] && echo quiet >>{self.log}
            [[ $* == *update* ]] && exit 100
            for name in "${{@:10}}"; do
              [[ $name == -* || $name == *=* || $name == install ]] && continue
              [[ ' {has} ' == *" $name "* ]] || exit 100
            done
            for name in "${{@:10}}"; do echo "$name" >>{folder}/installed; done""",
        )
        (folder / "installed").touch()

    def _tool(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/usr/bin/env bash\n{script}\n")
        path.chmod(0o755)

    def run(self) -> str:
        path = f"{self.folder}:{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "POLICY_RC_D": str(self.policy)}
        done = subprocess.run([RUN], env=environment, capture_output=True, text=True, check=True, timeout=120)
        return done.stdout


def test_ci_goes_on_without_what_it_cannot_install(tmp_path: Path) -> None:
    machine = Debian(tmp_path, has="redis-server nginx")
    said = machine.run()
    assert "skipped: postgresql prometheus prometheus-alertmanager chromium chromium-driver" in said
    lines = machine.log.read_text().splitlines()
    assert lines[-1].strip() == "make test"
    # Each call of apt-get found services forbidden to start, and afterwards all is as it was.
    assert set(lines[:-1]) == {"quiet"}
    assert not machine.policy.exists()


def test_ci_installs_nothing_twice_and_says_nothing_when_all_is_there(tmp_path: Path) -> None:
    machine = Debian(tmp_path, has=" ".join(PACKAGES.values()))
    assert machine.run() == ""
    machine.log.unlink()
    assert machine.run() == ""
    assert machine.log.read_text().strip() == "make test"


@pytest.mark.parametrize("root", [True, False])
def test_ci_leaves_a_policy_of_the_machine_alone_and_needs_no_root(tmp_path: Path, *, root: bool) -> None:
    machine = Debian(tmp_path, root=root)
    machine.policy.write_text("the machine's own")
    assert "are skipped" in machine.run()
    assert machine.policy.read_text() == "the machine's own"
    assert ("quiet" in machine.log.read_text()) is root
