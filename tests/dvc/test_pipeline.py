"""The pipeline from a fresh clone: what DVC brings without an account, the whole line, another remote."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).parents[2]
SMOKE = "pipelines/smoke/dvc.yaml"
LINE = ["split", "fetch", "validate", "train", "evaluate", "export"]
_PATIENCE_S = 900


def run(folder: Path, *command: str, fails: bool = False) -> str:
    """Run a command as a person would there, with this interpreter and nothing of this machine's DVC."""
    settings = {"DVC_NO_ANALYTICS": "1", "DVC_GLOBAL_CONFIG_DIR": str(folder / ".dvc" / "tmp" / "global")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | settings | {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def dvc(folder: Path, *arguments: str) -> str:
    return run(folder, sys.executable, "-m", "dvc", *arguments)


def digest(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def tracked(name: str) -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z", name], cwd=REPO, capture_output=True, text=True, check=True
    )
    return [each for each in done.stdout.split("\0") if each]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `git clone` gives, after `dvc pull`."""
    folder = tmp_path_factory.mktemp("fresh") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(REPO), str(folder)], check=True, capture_output=True)
    dvc(folder, "pull")
    return folder


@pytest.mark.parametrize("name", ["dvc.yaml", SMOKE])
def test_the_line_has_its_stages_and_names_what_there_is(name: str) -> None:
    stages = yaml.safe_load((REPO / name).read_text())["stages"]
    assert sorted(stages) == sorted(LINE)
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), flags=re.MULTILINE))
    for stage in stages.values():
        commands = [stage["cmd"]] if isinstance(stage["cmd"], str) else stage["cmd"]
        for command in commands:
            assert set(re.findall(r"\bmake ([a-z-]+)", command)) <= targets
            for module in re.findall(r"python -m (src[\w.]+)", command):
                assert (REPO / module.replace(".", "/")).with_suffix(".py").is_file()
        for group in stage.get("params", []):
            assert all((REPO / file).is_file() for file in group)


def test_no_photo_can_enter_a_cache_or_a_remote() -> None:
    for name, stage in yaml.safe_load((REPO / "dvc.yaml").read_text())["stages"].items():
        for out in stage.get("outs", []):
            ((path, options),) = out.items() if isinstance(out, dict) else ((out, {}),)
            if path.startswith("data/raw"):
                assert options.get("cache") is False, name


def test_the_default_remote_is_a_small_folder_of_the_repository() -> None:
    config = (REPO / ".dvc" / "config").read_text()
    assert re.search(r"url = \.\./data/dvc-store$", config, flags=re.MULTILINE)
    assert re.search(r"analytics = false", config)
    files = [REPO / name for name in tracked("data/dvc-store")]
    assert files
    assert sum(path.stat().st_size for path in files) < 1_000_000
    # Each file's name is the digest of its content: nothing else got in.
    for path in files:
        assert path.parent.name + path.name.removesuffix(".dir") == digest(path)


@pytest.mark.slow
def test_a_fresh_clone_pulls_manifests_splits_and_the_procedural_set(clone: Path) -> None:
    lock = yaml.safe_load((clone / "dvc.lock").read_text())["stages"]["split"]["outs"][0]
    assert digest(clone / lock["path"]) == lock["md5"]
    pictures = list((clone / "data/smoke/raw").rglob("*.jpg"))
    assert len(pictures) == (clone / "data/smoke/manifest.csv").read_text().count("\n") - 1
    assert (clone / "models/detector.onnx").stat().st_size > 1_000_000


@pytest.mark.slow
def test_the_locked_splits_are_those_that_the_manifest_gives(clone: Path, tmp_path: Path) -> None:
    again = tmp_path / "splits.csv"
    run(clone, sys.executable, "-m", "src.data.splits", "--out", str(again))
    assert again.read_bytes() == (clone / "data/processed/splits.csv").read_bytes()


@pytest.mark.slow
def test_training_on_a_fresh_clone_says_in_one_line_how_to_get_the_photos(clone: Path) -> None:
    told = run(
        clone, sys.executable, "-m", "src.training.train", "--config", "configs/train_config.yaml", fails=True
    )
    errors = [line for line in told.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "make data" in errors[0]
    assert "Traceback" not in told


@pytest.mark.slow
def test_the_smoke_line_runs_end_to_end_and_its_outputs_travel_by_a_remote(
    clone: Path, tmp_path: Path
) -> None:
    told = dvc(clone, "repro", "--force", SMOKE)
    for stage in LINE:
        assert f"Running stage '{SMOKE}:{stage}'" in told
    figures = json.loads((clone / "outputs/smoke/report/metrics.json").read_text())
    assert set(figures) == {"test", "unseen"}
    assert 0.0 <= figures["unseen"]["clean"]["auroc"] <= 1.0
    released = clone / "outputs/smoke/released/detector.onnx"
    assert digest(released) == digest(clone / "outputs/smoke/fitted.onnx")
    assert "didn't change, skipping" in dvc(clone, "repro", SMOKE)
    assert "auroc" in dvc(clone, "metrics", "show", "outputs/smoke/report/metrics.json")

    dvc(clone, "remote", "add", "--local", "own", str(tmp_path / "own"))
    dvc(clone, "push", "--remote", "own", f"{SMOKE}:fetch", f"{SMOKE}:split")
    manifest, pictures = clone / "data/smoke/manifest.csv", clone / "data/smoke/raw"
    before = {path.name: digest(path) for path in (manifest, *pictures.rglob("*.jpg"))}
    manifest.unlink()
    shutil.rmtree(pictures)
    shutil.rmtree(clone / ".dvc" / "cache")
    dvc(clone, "pull", "--remote", "own", f"{SMOKE}:fetch")
    assert {path.name: digest(path) for path in (manifest, *pictures.rglob("*.jpg"))} == before
