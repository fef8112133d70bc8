"""Reads the imports of every module under a source tree (by ast, nothing is run) and checks them by rules."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT_PACKAGE = "src"


@dataclass(frozen=True)
class Import:
    """One import: which module asks (`src.a.b`), what for, and on which line."""

    importer: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


def room_of(module: str) -> str:
    """The room of a module of ours: `src.imaging.decode` lives in `imaging`, `src.cli` in `cli`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def is_ours(module: str) -> bool:
    return module == ROOT_PACKAGE or module.startswith(f"{ROOT_PACKAGE}.")


def modules_of(tree: Path) -> dict[str, Path]:
    """Every module under `tree/src` by dotted name; a package stands for its `__init__`."""
    found = {}
    for path in sorted((tree / ROOT_PACKAGE).rglob("*.py")):
        parts = list(path.relative_to(tree).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


def imports_of(tree: Path) -> list[Import]:
    """All imports, inside functions too; `from src.a import b` means `src.a.b` if that is a module."""
    modules = modules_of(tree)
    return [found for name, path in modules.items() for found in _imports_in(name, path, modules)]


def _imports_in(name: str, path: Path, modules: Mapping[str, Path]) -> Iterator[Import]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                child = f"{base}.{alias.name}"
                yield Import(name, child if child in modules else base, node.lineno)


def unknown_rooms(tree: Path, table: Mapping[str, frozenset[str]]) -> list[str]:
    """Rooms that stand in the tree and not in the table."""
    return sorted({room_of(name) for name in modules_of(tree)} - {""} - set(table))


def forbidden_imports(imports: list[Import], table: Mapping[str, frozenset[str]]) -> list[Import]:
    """Imports between rooms that the table does not permit.

    An entry of the table is a whole room (`utils`) or a single module of one (`evaluation.metrics`).
    """
    return [
        found
        for found in imports
        if is_ours(found.target)
        and room_of(found.target) not in ("", room_of(found.importer))
        and not _permitted(found.target.removeprefix(f"{ROOT_PACKAGE}."), table[room_of(found.importer)])
    ]


def _permitted(target: str, allowed: frozenset[str]) -> bool:
    return any(target == entry or target.startswith(f"{entry}.") for entry in allowed)


def heavy_imports(imports: list[Import], homes: Mapping[str, frozenset[str]]) -> list[Import]:
    """Imports of heavy libraries outside the rooms that are their home."""
    return [
        found
        for found in imports
        if (library := found.target.split(".")[0]) in homes and room_of(found.importer) not in homes[library]
    ]


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Circles in a graph, one for each edge that leads back onto the path of a depth-first walk."""
    found: list[list[str]] = []
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> None:
        if node in path:
            found.append([*path[path.index(node) :], node])
            return
        if node in done:
            return
        for following in sorted(edges.get(node, set())):
            walk(following, [*path, node])
        done.add(node)

    for start in sorted(edges):
        walk(start, [])
    return found


def module_edges(imports: list[Import]) -> dict[str, set[str]]:
    """The graph of our modules."""
    edges: dict[str, set[str]] = {}
    for found in imports:
        if is_ours(found.target) and found.target != ROOT_PACKAGE:
            edges.setdefault(found.importer, set()).add(found.target)
    return edges


def room_edges(imports: list[Import]) -> dict[str, set[str]]:
    """The graph of our rooms; imports within a room are left out."""
    edges: dict[str, set[str]] = {}
    for importer, targets in module_edges(imports).items():
        others = {room_of(target) for target in targets} - {room_of(importer)}
        edges.setdefault(room_of(importer), set()).update(others)
    return edges
