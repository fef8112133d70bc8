"""What goes wrong around a service under load, with the real thing: nothing acknowledged is lost."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import postgres
from tests.support.live import live
from tests.support.patience import eventually
from tests.support.process import PHOTOS, Load, lost, metric, server
from tests.support.programs import POSTGRES, needs
from tests.support.service import quiet_settings, running

pytestmark = pytest.mark.slow
NO_CACHE = {"DETECTOR_CACHE_ENTRIES": "0"}


def test_kill_9_under_load_loses_nothing_that_was_acknowledged(model_path: Path, tmp_path: Path) -> None:
    with server(model_path, tmp_path, **NO_CACHE) as (process, url):
        load = Load(url)
        eventually(lambda: len(load.feedback) > 20, "too little was acknowledged")
        process.send_signal(signal.SIGKILL)
        load.stop()
    assert set(load.statuses) == {200}
    assert load.errors, "nothing was in flight"
    with server(model_path, tmp_path) as (_, url):
        eventually(lambda: metric(url, "store_spool_records") == 0, "the spool was not replayed")
        assert lost(url, load) == []


@pytest.fixture
def database() -> Iterator[postgres.Cluster]:
    needs(POSTGRES)
    with postgres.cluster() as cluster:
        yield cluster


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_postgresql_stopped_and_started_under_load(
    model_path: Path, tmp_path: Path, database: postgres.Cluster, mode: str
) -> None:
    settings = quiet_settings(
        model_path,
        store_url=database.url,
        spool_dir=tmp_path / "spool",
        store_timeout_s=10.0,
        cache_entries=0,
        queue_size=32,
    )
    with live(settings) as url:
        eventually(lambda: metric(url, "store_up") == 1, "the store did not come up")
        load = Load(url)
        eventually(lambda: len(load.feedback) > 10, "too little was stored")
        database.stop(mode)
        eventually(lambda: load.spooled > 10, "nothing was spooled")
        assert httpx.get(f"{url}/readyz", timeout=60, trust_env=False).status_code == 200
        database.start()
        judged = len(load.feedback)
        eventually(lambda: len(load.feedback) > judged + 10, "the store did not come back")
        load.stop()
        eventually(lambda: metric(url, "store_spool_records") == 0, "the spool was not replayed")
        assert (load.errors, set(load.statuses)) == ([], {200})
        assert metric(url, "store_lost") == 0
        assert lost(url, load) == []


def test_disk_that_fills_up_under_load_and_has_room_again(model_path: Path, tmp_path: Path) -> None:
    """The system lets no file of the process grow beyond a limit, and lifts it later."""
    with server(model_path, tmp_path, **NO_CACHE) as (process, url):
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        load = Load(url)
        eventually(lambda: len(load.feedback) > 5, "too little was stored")
        # The log of the database is larger than this by now; a record in the spool is smaller.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (16_384, hard))
        eventually(lambda: load.spooled > 10, "nothing was spooled")
        # Now nothing at all can be written: photos are still judged, and the loss is counted.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, hard))
        eventually(lambda: metric(url, "store_lost") > 5, "no loss was counted")
        assert httpx.get(f"{url}/readyz", timeout=60, trust_env=False).status_code == 200
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        judged = len(load.feedback)
        eventually(lambda: len(load.feedback) > judged + 5, "the store did not come back")
        load.stop()
        eventually(lambda: metric(url, "store_spool_records") == 0, "the spool was not replayed")
        assert (load.errors, set(load.statuses)) == ([], {200})
        missing = lost(url, load)
        assert len(missing) <= metric(url, "store_lost")
        assert not [line for line in missing if line.startswith("feedback")]
        stored = [name for name, kept in load.predictions.items() if kept]
        assert not [line for line in missing if line.split()[1].rstrip(":") in stored]


@pytest.mark.parametrize("jump_s", [400 * 86_400, -400 * 86_400])
def test_clock_that_jumps_under_way(
    model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: int
) -> None:
    seconds, nanoseconds = time.time, time.time_ns
    settings = quiet_settings(
        model_path,
        store_url=f"sqlite:///{tmp_path}/detector.db",
        spool_dir=tmp_path / "spool",
        deadline_s=60.0,
        retention_days=30.0,
        rate_limit="1000/minute",
    )
    with running(settings) as client:
        names = [client.predict(photo).json()["id"] for photo in PHOTOS[:3]]
        with monkeypatch.context() as jumped:
            jumped.setattr(time, "time", lambda: seconds() + jump_s)
            jumped.setattr(time, "time_ns", lambda: nanoseconds() + jump_s * 10**9)
            for photo in PHOTOS[3:6]:
                reply = client.predict(photo)
                assert (reply.status_code, reply.json()["stored"]) == (200, True)
                names.append(reply.json()["id"])
            uptime_s = client.get("/health").json()["uptime_s"]
            assert 0 <= uptime_s < 3600
            assert client.predict(PHOTOS[0]).status_code == 200
        for photo in PHOTOS[6:9]:
            reply = client.predict(photo)
            assert (reply.status_code, reply.json()["stored"]) == (200, True)
            names.append(reply.json()["id"])
        assert len(set(names)) == 9
        assert {client.get(f"/predictions/{name}").status_code for name in names} == {200}
        assert client.get("/review?limit=100").status_code == 200
