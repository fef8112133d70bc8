"""A real service behind a real socket, and clients of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from src.client import DetectorClient
from tests.support.live import live
from tests.support.service import quiet_settings
from tests.support.tiny_model import write_tiny_model


@pytest.fixture(scope="session", autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Apps configure logging for the whole process; the tests after these must not notice."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that keeps predictions and photos."""
    folder = tmp_path_factory.mktemp("service")
    settings = quiet_settings(
        write_tiny_model(folder / "tiny.onnx"),
        store_url=f"sqlite:///{folder / 'kept.db'}",
        spool_dir=folder / "spool",
        store_images=folder / "images",
        max_batch_files=8,
    )
    with live(settings) as url:
        yield url


@pytest.fixture
def detector(url: str) -> Iterator[DetectorClient]:
    with DetectorClient(url, timeout_s=60, batch_files=8) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
