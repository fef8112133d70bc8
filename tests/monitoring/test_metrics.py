"""Metrics tell what happened, by labels that clients cannot multiply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from src.monitoring.metrics import Metrics
from tests.support.pictures import photo_bytes
from tests.support.service import Client, quiet_settings, running
from tests.support.tiny_model import write_tiny_model


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Client]:
    with running(quiet_settings(write_tiny_model(tmp_path / "model.onnx"))) as client:
        yield client


def samples(client: Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }


def value(client: Client, metric: str, /, **labels: str) -> float:
    return samples(client).get((f"detector_{metric}", frozenset(labels.items())), 0.0)


def test_requests_verdicts_errors_and_stages_are_counted(watched: Client) -> None:
    watched.predict(photo_bytes(1))
    watched.predict(photo_bytes(1))
    watched.predict(b"text")
    watched.get("/nowhere/at/all")
    assert value(watched, "requests_total", route="/predict", method="POST", status="200") == 2
    assert value(watched, "requests_total", route="/predict", method="POST", status="415") == 1
    assert value(watched, "requests_total", route="none", method="GET", status="404") == 1
    assert value(watched, "errors_total", code="unsupported_format") == 1
    assert value(watched, "errors_total", code="not_found") == 1
    assert value(watched, "cache_total", outcome="hit") == 1
    assert value(watched, "batch_size_count") == 1
    for stage in ("queue", "decode", "views", "inference", "provenance"):
        assert value(watched, "stage_seconds_count", stage=stage) == 1
    verdicts = sum(
        found for (name, _), found in samples(watched).items() if name == "detector_verdicts_total"
    )
    assert verdicts == 2
    assert value(watched, "ready") == 1
    assert value(watched, "queue_depth") == 0
    assert value(watched, "model_info", name="tiny", version="0.0.1", architecture="tiny_conv") == 1


def test_clients_cannot_make_new_series(watched: Client) -> None:
    def call(number: int) -> None:
        watched.get(f"/path-{number}?query={number}")
        watched.request(f"BREW{number}", "/predict")
        watched.predict(photo_bytes(1), f"/predict?policy=made-up-{number}")
        watched.predict(photo_bytes(1), headers={"X-Request-ID": f"request-id-{number}"})

    call(0)
    call(0)  # the second time there is a hit in the cache
    samples(watched)
    before = set(samples(watched))
    for number in range(1, 20):
        call(number)
    grown = samples(watched)
    assert set(grown) == before
    assert not any(re.search(r"path-|made-up|request-id|BREW", str(labels)) for _, labels in grown)


def test_apps_do_not_share_their_metrics() -> None:
    first, second = Metrics(), Metrics()
    first.error("corrupt_image")
    assert b'code="corrupt_image"' in first.page()
    assert b'code="corrupt_image"' not in second.page()


def test_values_are_read_when_somebody_looks() -> None:
    metrics, state = Metrics(), {"store_up": 0.0}
    metrics.watch_all("State of the store", lambda: state)
    assert b"detector_store_up 0.0" in metrics.page()
    state["store_up"] = 1.0
    assert b"detector_store_up 1.0" in metrics.page()


def test_process_is_watched(watched: Client) -> None:
    assert samples(watched)["process_resident_memory_bytes", frozenset()] > 1e6
