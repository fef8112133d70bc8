"""`GET /drift` of the running service: with a reference, and without one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.monitoring.drift.bank import Simulation
from src.monitoring.drift.reference import Photos, Reference, reference_path, write_reference
from tests.support.pictures import photo_bytes
from tests.support.service import Client, quiet_settings, running
from tests.support.tiny_model import FEATURES, tiny_card, write_tiny_model


def drift_of(client: Client, path: str = "/drift") -> dict[str, Any]:
    response = client.get(path)
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def test_a_model_without_a_reference_says_so(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "tiny.onnx")
    with running(quiet_settings(model, drift_every_s=0.05)) as client:
        give_up = time.monotonic() + 60
        while drift_of(client)["status"] != "no_reference":
            assert time.monotonic() < give_up
            time.sleep(0.02)
        assert "detector_drift_reference 0.0" in client.get("/metrics").text


@pytest.fixture(scope="module")
def watched_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    n = 200
    logit = rng.normal(np.where(np.arange(n) % 2, 3.0, -3.0), 1.0)
    photos = Photos(
        embedding=rng.normal(size=(n, FEATURES)).astype(np.float32),
        logit=logit,
        review=np.abs(logit) < 0.5,
        fake=np.arange(n) % 2 == 1,
        source=np.arange(n) // 4,
        group=np.arange(n),
        format=np.full(n, "JPEG"),
        width=np.full(n, 96.0),
        height=np.full(n, 96.0),
        quality=rng.uniform(70, 95, n),
        bytes_per_pixel=rng.uniform(0.1, 0.5, n),
    )
    plan = Simulation(replicates=2, streams=8, photos=1500)
    reference = Reference.fit(photos, cut=0.0, model_version="0.0.1", origin="made up", plan=plan)
    path = tmp_path_factory.mktemp("watched") / "tiny.onnx"
    digest = write_reference(reference_path(path), reference)
    return write_tiny_model(path, tiny_card(drift_reference=digest))


def test_the_service_watches_what_it_answers(watched_model: Path, tmp_path: Path) -> None:
    settings = quiet_settings(
        watched_model,
        store_url=f"sqlite:///{tmp_path}/detector.db",
        spool_dir=tmp_path / "spool",
        drift_every_s=0.05,
    )
    with running(settings) as client:
        for seed in range(60):
            assert client.predict(photo_bytes(seed, quality=60 + seed % 30)).status_code == 200
        give_up = time.monotonic() + 60
        while (found := drift_of(client, "/v1/drift"))["photos_seen"] < 60:
            assert time.monotonic() < give_up
            time.sleep(0.02)
        assert found["status"] == "watching"
        assert found["reference"]["photos"] == 200
        assert {chart["name"] for chart in found["charts"]} >= {"embedding_fast", "far", "inputs"}
        # The quality that photos were saved with is kept: the reference's range of it is met.
        assert found["windows"][0]["inputs_psi"]["quality"] < 5.0
        assert "detector_drift_photos_seen 60.0" in client.get("/metrics").text
