"""Metadata that take long cost a photo its provenance, never its verdict."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.inference import examiner as module
from src.inference.examiner import NOT_READ, Examiner
from src.inference.provenance.manifests import ManifestProblem, ManifestReader
from src.inference.provenance.signals import Provenance
from tests.support.pictures import photo_bytes
from tests.support.service import quiet_settings, running

PHOTO = photo_bytes(1)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Metadata that can be read only when the gate is open."""
    opened = threading.Event()

    def slow(*_: object) -> Provenance:
        assert opened.wait(30), "nobody opened the gate"
        return Provenance()

    monkeypatch.setattr(module, "inspect", slow)
    yield opened
    opened.set()


def test_verdict_does_not_wait_for_metadata_beyond_their_time(
    model_path: Path, tmp_path: Path, gate: threading.Event
) -> None:
    settings = quiet_settings(
        model_path,
        provenance_timeout_s=0.05,
        store_url=f"sqlite:///{tmp_path}/d.db",
        spool_dir=tmp_path / "spool",
    )
    with running(settings) as client:
        reply = client.predict(PHOTO)
        assert reply.status_code == 200
        provenance = reply.json()["provenance"]
        assert provenance["note"] == "metadata not read in time"
        assert (provenance["basis"], provenance["signals"]) == ("pixels", [])
        kept = client.get(f"/predictions/{reply.json()['id']}").json()["prediction"]
        assert kept["evidence"]["provenance"] == provenance
        page = client.get("/metrics").text
        assert "detector_provenance_unread_total 1.0" in page
        assert "detector_examiner_backlog 1.0" in page
        gate.set()
        # What was not known the first time is not taken from the cache the second.
        again = client.predict(PHOTO)
        assert again.headers["x-answer-source"] == "scorer"
        assert "note" not in again.json()["provenance"]
        assert client.predict(PHOTO).headers["x-answer-source"] == "cache"
        assert "detector_examiner_backlog 0.0" in client.get("/metrics").text


def test_verdict_is_given_at_the_deadline_whatever_the_metadata_do(
    model_path: Path, gate: threading.Event
) -> None:
    with running(quiet_settings(model_path, deadline_s=3.0, provenance_timeout_s=60.0)) as client:
        reply = client.predict(PHOTO)
        gate.set()
    assert (reply.status_code, reply.json()["provenance"]["note"]) == (200, "metadata not read in time")


def test_photos_that_nobody_waits_for_leave_the_backlog(gate: threading.Event) -> None:
    async def scenario() -> None:
        examiner = Examiner(ManifestReader(), threads=1, patience_s=0.01)
        first, second = examiner.examine(PHOTO), examiner.examine(PHOTO)
        assert examiner.backlog == 2
        for examining in (first, second):
            assert await examiner.result(examining, accepted=0.0, expires=0.0) is NOT_READ
        async with asyncio.timeout(60):
            while examiner.backlog > 1:  # noqa: ASYNC110 - the second was never begun, and is gone
                await asyncio.sleep(0.005)
        gate.set()
        await asyncio.to_thread(examiner.close)
        assert examiner.backlog == 0

    asyncio.run(scenario())


def test_reader_whose_slots_are_taken_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = ManifestReader(timeout_s=60.0, slots=1)
    begun, ended = threading.Event(), threading.Event()

    def hanging(_: bytes) -> dict[str, object]:
        begun.set()
        assert ended.wait(30)
        return {}

    monkeypatch.setattr(reader, "_read", hanging)
    holder = threading.Thread(target=reader.read, args=(b"",))
    holder.start()
    assert begun.wait(30)
    refused = threading.Event()

    def ask() -> None:
        with pytest.raises(ManifestProblem, match="Too many"):
            reader.read(b"")
        refused.set()

    asker = threading.Thread(target=ask)
    asker.start()
    assert refused.wait(20)
    ended.set()
    holder.join()
    asker.join()
