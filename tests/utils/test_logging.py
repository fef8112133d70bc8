"""One event a line on stderr, ours and the standard library's alike."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from src.utils.logging import configure_logging


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_events_are_json_with_level_time_and_context(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        structlog.get_logger().info("model_ready", version="1.0")
        logging.getLogger("uvicorn.error").warning("port %d", 80)
    structlog.get_logger().debug("too quiet")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["event"], first["level"], first["version"]) == ("model_ready", "info", "1.0")
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["level"]) == ("port 80", "warning")
    assert first["request_id"] == second["request_id"] == "abc"


def test_exception_becomes_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("error")
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["exception"][0]["exc_type"] == "ZeroDivisionError"


def test_text_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", json=False)
    structlog.get_logger().warning("disk_low", left_mb=12)
    text = capsys.readouterr().err
    assert "disk_low" in text
    assert "left_mb=12" in text
    assert "\x1b" not in text


def test_uvicorns_own_access_log_is_off() -> None:
    configure_logging()
    assert logging.getLogger("uvicorn.access").disabled
