"""One tiny model and one running service for the whole room."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from src.inference.detector import Detection, Detector
from src.inference.linger import LingeringCloseMiddleware
from tests.support.pictures import encode, picture
from tests.support.service import Client, quiet_settings, running
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
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="session")
def detector(model_path: Path) -> Detector:
    return Detector.from_file(model_path, threads=1)


@pytest.fixture(scope="session")
def detection(detector: Detector) -> Detection:
    return detector.detect(encode(picture(1)))


@pytest.fixture(scope="session")
def client(model_path: Path) -> Iterator[Client]:
    with running(quiet_settings(model_path)) as client:
        yield client


@pytest.fixture
def no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read after the reply, so that a sender counts what was read before it."""

    async def discard_nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(LingeringCloseMiddleware, "_discard", discard_nothing)
