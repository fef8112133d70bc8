"""One SQLite registry for the room, a model name of its own for each test; logging left alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from src.registry.registry import Registry
from tests.support.registry import shared_registry


@pytest.fixture(scope="session", autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """MLflow's first use sets levels of loggers."""
    levels = {name: logging.getLogger(name).level for name in ("mlflow", "alembic")}
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="session")
def registry_uri() -> str:
    return shared_registry()


@pytest.fixture
def registry(registry_uri: str) -> Registry:
    return Registry(registry_uri, name=f"model-{uuid4().hex[:8]}")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
