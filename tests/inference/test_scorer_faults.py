"""The scorer's only worker outlives every error, and if it did not, it would be known at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog

from src.inference.api import create_app
from src.inference.detection import Detection
from src.inference.detector import Prepared
from src.inference.scorer import Scorer
from src.utils.errors import NotReadyError
from tests.support.patience import PATIENCE_S, until
from tests.support.pictures import photo_bytes
from tests.support.recording import Heard, Recording
from tests.support.service import quiet_settings, serving


@pytest.fixture(autouse=True)
def logs_of_every_level() -> None:
    """An app that another test ran may have raised the level, and these tests read it."""
    structlog.reset_defaults()


@pytest.fixture
def recording(detection: Detection) -> Recording:
    return Recording(detection)


class BrokenObserver(Heard):
    def batch(self, size: int) -> None:
        raise ZeroDivisionError


class BrokenWitness:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *_: object) -> None:
        self.calls += 1
        raise ZeroDivisionError


def test_who_listens_and_fails_costs_no_photo_its_answer(recording: Recording) -> None:
    recording.gate.set()

    async def scenario() -> None:
        scorer = Scorer(recording, workers=1, queue_size=10, deadline_s=PATIENCE_S, observer=BrokenObserver())
        scorer.witness = witness = BrokenWitness()
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                assert isinstance(await scorer.score(b"photo"), Detection)
            await asyncio.to_thread(scorer.close)
        assert witness.calls == 3
        assert [(line["event"], line["log_level"]) for line in logs] == [("observer_failed", "error")] * 6
        assert scorer.pending == 0

    asyncio.run(scenario())


class TooFew(Recording):
    """Forgets the last photo of every batch."""

    def judge(self, items: Sequence[Prepared], policies: Sequence[str | None]) -> list[Detection]:
        return super().judge(items, policies)[:-1]


class Ending(Recording):
    """Ends the thread in which it decodes or judges, or would, if an exception could."""

    def __init__(self, detection: Detection, where: str) -> None:
        super().__init__(detection)
        self.where = where

    def prepare(self, photo: bytes) -> Prepared:
        if self.where == "prepare":
            raise SystemExit(3)
        return super().prepare(photo)

    def judge(self, items: Sequence[Prepared], policies: Sequence[str | None]) -> list[Detection]:
        if self.where == "judge":
            raise SystemExit(3)
        return super().judge(items, policies)


def test_no_exception_of_the_detector_ends_a_thread(detection: Detection) -> None:
    bad: list[tuple[Recording, type[Exception]]] = [
        (TooFew(detection), ValueError),
        (Ending(detection, "prepare"), RuntimeError),
        (Ending(detection, "judge"), RuntimeError),
    ]
    good = Recording(detection)
    for each in (good, *(recording for recording, _ in bad)):
        each.gate.set()

    async def scenario() -> None:
        scorer = Scorer(good, workers=1, queue_size=10, deadline_s=PATIENCE_S)
        for detector, error in bad:
            scorer.detector = detector
            results = await asyncio.gather(*(scorer.score(b"x") for _ in range(3)), return_exceptions=True)
            assert [type(item) for item in results] == [error] * 3
        scorer.detector = good
        assert isinstance(await scorer.score(b"photo"), Detection)
        assert (scorer.alive, scorer.pending) == (True, 0)
        await asyncio.to_thread(scorer.close)

    asyncio.run(scenario())


def test_bug_of_the_worker_fails_its_batch_and_is_told_and_not_the_end(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording.gate.set()

    async def scenario() -> None:
        scorer = Scorer(recording, workers=1, queue_size=10, deadline_s=PATIENCE_S)
        with structlog.testing.capture_logs() as logs, monkeypatch.context() as patched:
            patched.setattr(scorer, "_judge", lambda _: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                await scorer.score(b"photo")
        assert [(line["event"], line["log_level"]) for line in logs] == [("inference_bug", "critical")]
        assert isinstance(await scorer.score(b"photo"), Detection)
        assert (scorer.alive, scorer.pending) == (True, 0)
        await asyncio.to_thread(scorer.close)

    asyncio.run(scenario())


def test_worker_that_died_refuses_what_waits_and_is_told(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths: list[bool] = []

    async def scenario() -> None:
        scorer = Scorer(
            recording,
            workers=1,
            queue_size=30,
            deadline_s=PATIENCE_S,
            max_batch=2,
            on_death=lambda: deaths.append(scorer.alive),
        )
        tasks = [asyncio.create_task(scorer.score(b"photo")) for _ in range(12)]
        await until(lambda: len(recording.batches) > 0)
        with structlog.testing.capture_logs() as logs:
            monkeypatch.setattr(scorer, "_infer", lambda _: 1 // 0)
            recording.gate.set()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            with pytest.raises(NotReadyError):
                await scorer.score(b"late")
        answered = [item for item in results if isinstance(item, Detection)]
        assert 1 <= len(answered) <= 2  # those who were in inference
        assert {type(item) for item in results} == {Detection, NotReadyError}
        assert deaths == [False]
        assert [(line["event"], line["log_level"]) for line in logs] == [
            ("inference_worker_died", "critical")
        ]
        assert scorer.pending == 0
        await asyncio.to_thread(scorer.close)

    asyncio.run(scenario())


def test_service_whose_worker_died_is_not_ready_and_says_so(
    model_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        app = create_app(quiet_settings(model_path, log_level="error"))
        async with serving(app) as client:
            assert (await client.get("/readyz")).status_code == 200
            monkeypatch.setattr(app.state.service.scorer, "_infer", lambda _: 1 // 0)
            for _ in range(2):
                reply = await client.post("/predict", files={"file": photo_bytes(1)})
                assert (reply.status_code, reply.json()["code"]) == (503, "model_not_ready")
            for path in ("/readyz", "/health"):
                assert (await client.get(path)).status_code == 503
            assert "detector_ready 0.0" in (await client.get("/metrics")).text
            assert (await client.get("/livez")).status_code == 200

    asyncio.run(scenario())
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert ("inference_worker_died", "critical") in {(line["event"], line["level"]) for line in lines}
