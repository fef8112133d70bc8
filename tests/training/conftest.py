"""A drawn data set and a run small enough for tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.data.manifest import read_manifest
from src.training.cache import fill_cache
from src.training.config import TrainConfig
from src.training.smoke import smoke_config


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    folder: Path = tmp_path_factory.mktemp("training")
    config = smoke_config(TrainConfig(output=folder, threads=1, device="cpu"))
    return config.model_copy(update={"tracking_uri": f"sqlite:///{folder}/mlflow.db"})


@pytest.fixture(scope="session")
def records(run):
    return read_manifest(run.data.manifest)


@pytest.fixture(scope="session")
def photos(run, records):
    return fill_cache(records, run.data.raw, run.data.cache, run.views.max_side, workers=1)
