"""One tiny model, one catalogue, and the rows that every scan of it must give, whatever happens to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.scan.catalogue import expected_rows, write_catalogue
from tests.support.tiny_model import write_tiny_model


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalogue(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="session")
def expected(catalogue: Path, model_path: Path) -> list[dict[str, Any]]:
    return expected_rows(catalogue, model_path)
