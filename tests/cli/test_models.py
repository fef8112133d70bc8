"""`detector models`: a model's whole life by the command line, and what its exit codes say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from src.cli import app
from tests.support.registry import judged_model, shared_registry, valid_data


@pytest.fixture(scope="module")
def database() -> str:
    return shared_registry()


class Shop:
    """One registry, by the command line."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.name = folder, f"model-{uuid4().hex[:8]}"
        self.validation = folder / "validation.json"
        self.validation.write_text(valid_data().model_dump_json())
        self._runner = CliRunner(
            env={"DETECTOR_REGISTRY_URI": database, "DETECTOR_MODEL_CACHE": str(folder / "cache")}
        )

    def __call__(self, command: str, *arguments: str) -> Any:
        return self._runner.invoke(app, ["models", command, *arguments, "--name", self.name])

    def register(self, version: str, *options: str, **figures: Any) -> Any:
        model, report = judged_model(self.folder, version, **figures)
        return self("register", str(model), "--report", str(report), *options)

    def gated(self, command: str, *arguments: str) -> Any:
        return self(command, *arguments, "--validation", str(self.validation))


@pytest.fixture
def shop(tmp_path: Path, database: str) -> Shop:
    return Shop(tmp_path, database)


def test_life_of_a_model(shop: Shop) -> None:
    assert shop("list", "--json").stdout.strip() == "[]"
    assert shop.register("1.0.0").stdout.strip() == "1"
    assert shop.gated("promote", "1").exit_code == 0
    assert shop.register("1.1.0", "--challenger").stdout.strip() == "2"
    compared = shop.gated("compare")
    assert compared.exit_code == 0
    assert "MISSED" not in compared.stdout
    promoted = shop.gated("promote")
    assert promoted.exit_code == 0
    assert "version 2 is champion" in promoted.stderr
    table = shop("list").stdout
    assert "champion" in table
    assert "1.1.0" in table
    shown = json.loads(shop("show").stdout)
    assert (shown["version"], shown["tags"]["card_version"]) == (2, "1.1.0")
    assert re.fullmatch(r"\d+ gates passed; .*tightest: .+", shown["tags"]["gates"])
    assert [change["version"] for change in shown["history"]] == [1, 2]
    assert shop("rollback").exit_code == 0
    assert json.loads(shop("show").stdout)["version"] == 1
    assert shop("rollback").exit_code == 2


def test_a_refused_promotion_says_which_gate_and_by_how_much(shop: Shop) -> None:
    shop.register("1.0.0")
    assert shop.gated("promote", "1").exit_code == 0
    shop.register("2.0.0", "--challenger", slices={("unseen", "family", "flux"): 0.8})
    refused = shop.gated("promote")
    assert refused.exit_code == 1
    assert "family flux, unseen, against champion: 0.8 (limit 0.855, misses by 0.055)" in refused.stderr
    assert json.loads(shop("show").stdout)["version"] == 1
    compared = shop.gated("compare", "--json")
    assert compared.exit_code == 1
    assert [each["name"] for each in json.loads(compared.stdout) if not each["passed"]] == [
        "family flux, unseen, against champion"
    ]


def test_no_way_around_the_gates(shop: Shop) -> None:
    shop.register("1.0.0")
    assert shop.gated("promote", "1", "--force").exit_code == 2
    unchecked = shop("promote", "1", "--validation", str(shop.folder / "gone.json"))
    assert unchecked.exit_code == 1
    assert "errors and leaks in the data: not measured" in unchecked.stderr
    bare, _ = judged_model(shop.folder, "3.0.0")
    shop("register", str(bare))
    assert shop.gated("promote", "2").exit_code == 2  # registered without a report


def test_wrong_usage_is_one_line(shop: Shop) -> None:
    for arguments in (("show", "nobody"), ("rollback",), ("register", "gone.onnx")):
        told = shop(*arguments)
        assert told.exit_code == 2
        assert told.stderr.startswith("error: ")
        assert told.stderr.count("\n") == 1
