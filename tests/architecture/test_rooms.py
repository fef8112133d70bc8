"""The table of rooms, held against the imports; each rule is also shown to fail on a bad tree."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.imports import (
    circles,
    forbidden_imports,
    heavy_imports,
    imports_of,
    module_edges,
    room_edges,
    room_of,
    unknown_rooms,
)

REPO = Path(__file__).parents[2]

_BELOW_INCIDENT = frozenset(
    {"utils", "imaging", "data", "registry", "store", "monitoring", "inference", "evaluation", "training"}
)

# room -> what it may import: whole rooms, or single modules of one. Rooms still to be built are listed too.
ROOMS: dict[str, frozenset[str]] = {
    "utils": frozenset(),
    "imaging": frozenset({"utils"}),
    "data": frozenset({"utils", "imaging"}),
    "registry": frozenset({"utils"}),
    "store": frozenset({"utils"}),
    "monitoring": frozenset({"utils", "store"}),
    "inference": frozenset({"utils", "imaging", "registry", "store", "monitoring"}),
    "evaluation": frozenset(
        {"utils", "imaging", "data", "inference.detector", "inference.attribution", "monitoring.drift"}
    ),
    "training": frozenset({"utils", "imaging", "data", "evaluation.metrics"}),
    "incident": _BELOW_INCIDENT | {"client"},
    "scan": frozenset({"utils", "inference", "registry"}),
    "client": frozenset({"utils"}),
    "ui": frozenset({"utils", "client"}),
    "models_cli": frozenset({"utils", "registry", "evaluation"}),
    "drift_cli": frozenset({"utils", "monitoring", "inference"}),
    "retrain_cli": frozenset({"utils", "registry", "store", "evaluation", "incident"}),
    "scan_cli": frozenset({"utils", "scan"}),
    "cli": _BELOW_INCIDENT
    | {"incident", "scan", "client", "models_cli", "drift_cli", "retrain_cli", "scan_cli"},
}

# library -> the rooms it may be imported in, at the top of a module or anywhere else.
HEAVY: dict[str, frozenset[str]] = {
    "torch": frozenset({"training"}),
    "torchvision": frozenset({"training"}),
    "timm": frozenset({"training"}),
    "mlflow": frozenset({"registry", "training"}),
    "ray": frozenset({"scan"}),
    "streamlit": frozenset({"ui"}),
}

NOT_IN_SERVING = ("torch", "mlflow", "ray", "streamlit", "matplotlib", "sklearn", "pandas")


def tree_with(tmp_path: Path, files: dict[str, str]) -> Path:
    """A small source tree: path below src -> text."""
    for name, text in files.items():
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def loaded_after_import(module: str) -> set[str]:
    """Top-level packages that a fresh interpreter holds after importing `module`."""
    code = f"import json, sys, {module}; print(json.dumps(sorted({{n.split('.')[0] for n in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_every_room_stands_in_the_table():
    assert unknown_rooms(REPO, ROOMS) == []


def test_no_import_outside_the_table():
    assert [str(found) for found in forbidden_imports(imports_of(REPO), ROOMS)] == []


def test_nothing_may_import_the_ui_or_the_cli():
    assert not any(entry.split(".")[0] in ("ui", "cli") for allowed in ROOMS.values() for entry in allowed)


def test_the_table_itself_has_no_circle():
    assert (
        circles({room: {entry.split(".")[0] for entry in allowed} for room, allowed in ROOMS.items()}) == []
    )


def test_no_circle_between_modules_or_rooms():
    imports = imports_of(REPO)
    assert circles(module_edges(imports)) == []
    assert circles(room_edges(imports)) == []


def test_heavy_libraries_stay_in_their_rooms():
    assert [str(found) for found in heavy_imports(imports_of(REPO), HEAVY)] == []


def test_ray_is_one_engine_of_scans_and_nothing_else_knows_it():
    assert {item.importer for item in imports_of(REPO) if item.target.split(".")[0] == "ray"} == {
        "src.scan.on_ray"
    }


def test_the_service_starts_without_the_heavy_libraries():
    assert loaded_after_import("src.inference.api").isdisjoint(NOT_IN_SERVING)


def test_the_command_line_starts_without_torch_and_mlflow():
    assert loaded_after_import("src.cli").isdisjoint({"torch", "mlflow", "ray", "streamlit"})


def test_a_loaded_library_is_seen():
    assert "xml" in loaded_after_import("xml.etree.ElementTree")


def test_a_new_room_outside_the_table_is_found(tmp_path):
    tree = tree_with(tmp_path, {"kitchen/pan.py": ""})
    assert unknown_rooms(tree, ROOMS) == ["kitchen"]


@pytest.mark.parametrize(
    ("importer", "statement"),
    [
        ("utils/a.py", "from src.imaging.decode import decode"),
        ("imaging/a.py", "import src.data.manifest"),
        ("imaging/a.py", "def late():\n    from src.inference import detector"),
        ("evaluation/a.py", "from src.inference import api"),
        ("training/a.py", "from src.evaluation.report import write"),
        ("inference/a.py", "from src import cli"),
        ("inference/a.py", "from ..evaluation import metrics"),
        ("cli.py", "import src.ui.pages"),
        ("ui/a.py", "from src.inference.detector import Detector"),
    ],
)
def test_an_import_outside_the_table_is_found(tmp_path, importer, statement):
    rooms = {f"{room}/__init__.py": "" for room in ROOMS if room != "cli"}
    modules = {"cli.py": "", "inference/api.py": "", "inference/detector.py": "", "evaluation/metrics.py": ""}
    tree = tree_with(tmp_path, {**rooms, **modules, importer: statement})
    assert len(forbidden_imports(imports_of(tree), ROOMS)) == 1


@pytest.mark.parametrize(
    ("importer", "statement"),
    [
        ("evaluation/a.py", "from src.inference import detector"),
        ("evaluation/a.py", "from src.inference.detector import Detector"),
        ("training/a.py", "from src.evaluation import metrics"),
        ("imaging/a.py", "from src.imaging.b import c"),
    ],
)
def test_a_permitted_import_passes(tmp_path, importer, statement):
    modules = {"inference/detector.py": "", "evaluation/metrics.py": "", "imaging/b.py": ""}
    tree = tree_with(tmp_path, {**modules, importer: statement})
    assert forbidden_imports(imports_of(tree), ROOMS) == []


def test_a_circle_between_modules_is_found(tmp_path):
    files = {
        "data/a.py": "import src.data.b",
        "data/b.py": "from src.data import c",
        "data/c.py": "def f():\n    from src.data.a import x",
    }
    assert circles(module_edges(imports_of(tree_with(tmp_path, files)))) == [
        ["src.data.a", "src.data.b", "src.data.c", "src.data.a"]
    ]


def test_a_circle_between_rooms_is_found_where_no_module_has_one(tmp_path):
    files = {
        "data/a.py": "import src.imaging.a",
        "imaging/a.py": "",
        "imaging/b.py": "import src.data.b",
        "data/b.py": "",
    }
    imports = imports_of(tree_with(tmp_path, files))
    assert circles(module_edges(imports)) == []
    assert circles(room_edges(imports)) == [["data", "imaging", "data"]]


def test_a_heavy_library_in_a_light_room_is_found(tmp_path):
    files = {
        "inference/a.py": "def f():\n    import torch.nn",
        "evaluation/a.py": "from mlflow.tracking import x",
        "training/a.py": "import torch",
    }
    found = heavy_imports(imports_of(tree_with(tmp_path, files)), HEAVY)
    assert {room_of(item.importer) for item in found} == {"inference", "evaluation"}
