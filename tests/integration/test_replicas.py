"""Three replicas behind nginx with one PostgreSQL and one Redis, which together are as one service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest

from src.inference.access.keys import issue_key
from src.monitoring.drift.bank import Simulation
from src.monitoring.drift.reference import Photos, Reference, reference_path, write_reference
from tests.support import postgres
from tests.support.nginx import balancer
from tests.support.patience import eventually
from tests.support.pictures import photo_bytes
from tests.support.programs import NGINX, POSTGRES, REDIS, needs
from tests.support.replicas import Replica, Traffic, replicas
from tests.support.sockets import redis_server
from tests.support.tiny_model import FEATURES, tiny_card, write_tiny_model

pytestmark = pytest.mark.slow
OLD, NEW = "0.0.1", "0.0.2"
PHOTOS = [photo_bytes(seed, (160, 120)) for seed in range(60)]
LIMIT = 12


def watched_model(folder: Path, version: str) -> Path:
    """A tiny model with a reference of made-up photos beside it."""
    rng = np.random.default_rng(0)
    n = 200
    fake = np.arange(n) % 2 == 1
    logit = rng.normal(np.where(fake, 3.0, -3.0), 1.0)
    photos = Photos(
        embedding=rng.normal(size=(n, FEATURES)).astype(np.float32),
        logit=logit,
        review=np.abs(logit) < 0.5,
        fake=fake,
        source=np.arange(n) // 4,
        group=np.arange(n),
        format=np.full(n, "JPEG"),
        width=np.full(n, 160.0),
        height=np.full(n, 120.0),
        quality=rng.uniform(70, 95, n),
        bytes_per_pixel=rng.uniform(0.1, 0.5, n),
    )
    plan = Simulation(replicates=2, streams=8, photos=1500)
    reference = Reference.fit(photos, cut=0.0, model_version=version, origin="made up", plan=plan)
    path = folder / version / "tiny.onnx"
    path.parent.mkdir()
    digest = write_reference(reference_path(path), reference)
    return write_tiny_model(path, tiny_card(version=version, drift_reference=digest))


@dataclass
class Stand:
    """All that runs, and the keys to it."""

    url: str
    replicas: list[Replica]
    new_model: Path
    store_url: str
    key: str
    limited_key: str

    def get(self, url: str, key: str = "") -> httpx.Response:
        return httpx.get(url, headers={"X-API-Key": key or self.key}, timeout=120, trust_env=False)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    needs(POSTGRES)
    needs(REDIS)
    needs(NGINX)
    folder = tmp_path_factory.mktemp("stand")
    keys_file = folder / "keys.json"
    _, key = issue_key(keys_file, "operator", frozenset({"predict", "review", "admin"}))
    _, limited_key = issue_key(keys_file, "small", frozenset({"predict"}), rate_limit=f"{LIMIT}/day")
    old = write_tiny_model(folder / OLD / "tiny.onnx", tiny_card(version=OLD))
    new = watched_model(folder, NEW)
    with postgres.cluster() as database, redis_server() as redis_url:
        settings = {
            "DETECTOR_STORE_URL": database.url,
            "DETECTOR_RATE_LIMIT_URL": redis_url,
            "DETECTOR_KEYS_FILE": str(keys_file),
            "DETECTOR_TRUSTED_PROXIES": "127.0.0.0/8",
            "DETECTOR_METRICS_OPEN": "true",
            "DETECTOR_CACHE_ENTRIES": "0",
            "DETECTOR_DRIFT_EVERY_S": "0.3",
            "DETECTOR_INTRA_OP_THREADS": "1",
            "DETECTOR_LOG_LEVEL": "critical",
            # Machines that run tests are busy: what is bounded by time is bounded generously.
            "DETECTOR_DEADLINE_S": "60",
            "DETECTOR_STORE_TIMEOUT_S": "20",
            "DETECTOR_PROVENANCE_TIMEOUT_S": "30",
            "DETECTOR_FINISH_S": "30",
        }
        with (
            replicas(3, folder, old, settings) as found,
            balancer(folder, [replica.address for replica in found]) as url,
        ):
            yield Stand(url, found, new, database.url, key, limited_key)


def test_a_killed_replica_and_a_rolled_model_lose_nothing_and_fail_nobody(stand: Stand) -> None:
    first, *others = stand.replicas
    traffic = Traffic(stand.url, stand.key, PHOTOS, clients=4)
    try:
        eventually(lambda: traffic.sent > 30, "too little was answered")
        first.kill()
        reached = traffic.sent
        eventually(lambda: traffic.sent > reached + 30, "nobody answers beside the replica that was killed")
        first.start(stand.new_model)
        first.wait()
        for replica in others:
            replica.drain()
            replica.start(stand.new_model)
            replica.wait()
        reached = traffic.sent
        eventually(lambda: traffic.sent > reached + 30, "nobody answers after the roll")
    finally:
        traffic.stop()
    assert traffic.wrong == {}
    assert len(traffic.answers) == traffic.sent
    assert set(traffic.answers.values()) == {OLD, NEW}
    with psycopg.connect(stand.store_url) as connection:
        kept = {str(name) for (name,) in connection.execute("SELECT id FROM predictions")}
    # What was repeated at another replica counts once.
    assert kept == set(traffic.answers)
    for name in list(traffic.answers)[:: max(1, len(traffic.answers) // 30)]:
        assert stand.get(f"{stand.url}/predictions/{name}").status_code == 200, name


def test_a_keys_rate_is_counted_over_all_replicas(stand: Stand) -> None:
    before = limiter_failures(stand)
    addresses = [replica.url for replica in stand.replicas] * (LIMIT - 4)
    statuses = [stand.get(f"{url}/model", stand.limited_key).status_code for url in addresses]
    assert set(statuses) == {200, 429}
    # Redis is given a quarter of a second; a request that could not be counted passes, and says so.
    assert LIMIT <= statuses.count(200) <= LIMIT + limiter_failures(stand) - before
    assert stand.get(f"{stand.url}/model").status_code == 200


def test_every_replica_sees_the_drift_of_all_traffic(stand: Stand) -> None:
    before = [verdicts(stand, replica) for replica in stand.replicas]
    with httpx.Client(base_url=stand.url, timeout=120, trust_env=False) as client:
        for photo in PHOTOS:
            reply = client.post("/predict", files={"file": photo}, headers={"X-API-Key": stand.key})
            assert (reply.status_code, reply.json()["model_version"]) == (200, NEW)
    own = [verdicts(stand, each) - count for each, count in zip(stand.replicas, before, strict=True)]
    assert sum(own) == len(PHOTOS)
    assert max(own) < len(PHOTOS), "one replica answered all"
    for replica in stand.replicas:
        eventually(
            lambda url=replica.url: drift(stand, url)["photos_seen"] == len(PHOTOS),  # type: ignore[misc]
            "a replica does not see all photos",
        )
    reports = [drift(stand, replica.url) for replica in stand.replicas]
    assert {report["status"] for report in reports} == {"watching"}
    assert {report["model_version"] for report in reports} == {NEW}
    first, *others = [report["windows"] for report in reports]
    assert first[0]["photos"] == len(PHOTOS)
    for windows in others:
        # Each replica adds its photos up in an order of its own.
        assert leaves(windows) == pytest.approx(leaves(first), rel=1e-6, abs=1e-12)


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """A nested value as one dictionary."""
    if isinstance(value, dict):
        return {
            key: leaf for name, part in value.items() for key, leaf in leaves(part, f"{path}/{name}").items()
        }
    if isinstance(value, list):
        return leaves(dict(enumerate(value)), path)
    return {path: value}


def drift(stand: Stand, url: str) -> dict[str, Any]:
    found: dict[str, Any] = stand.get(f"{url}/drift").json()
    return found


def series(stand: Stand, url: str, name: str) -> float:
    """The sum of a metric over its labels."""
    lines = stand.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


def verdicts(stand: Stand, replica: Replica) -> float:
    return series(stand, replica.url, "detector_verdicts_total")


def limiter_failures(stand: Stand) -> float:
    return sum(series(stand, each.url, "detector_rate_limit_failures_total") for each in stand.replicas)
