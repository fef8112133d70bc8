"""The service stays responsive and bounded while the detector works, and goes down in order."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from src.inference.api import create_app
from src.inference.detector import Detection
from src.inference.scorer import Judge, Scorer
from src.inference.service import Service
from src.utils.errors import DeadlineError, ImageError, NotReadyError, OverloadedError
from src.utils.settings import Settings
from tests.support.pictures import photo_bytes
from tests.support.service import Client, GatedDetector, quiet_settings, running, serving

PHOTO = photo_bytes(1)
FILES = {"file": ("a.jpg", PHOTO)}


async def until(condition: Callable[[], bool]) -> None:
    """Poll, because what is waited for happens in a thread."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.002)


@pytest.fixture
def gated(detection: Detection) -> Iterator[GatedDetector]:
    detector = GatedDetector(detection)
    yield detector
    detector.gate.set()


def test_event_loop_answers_while_the_detector_works(model_path: Path, gated: GatedDetector) -> None:
    async def scenario() -> None:
        app = create_app(quiet_settings(model_path), lambda _: gated)
        async with serving(app) as client:
            slow = asyncio.create_task(client.post("/predict", files=FILES))
            assert await asyncio.to_thread(gated.begun.acquire, timeout=60)
            for _ in range(20):
                alive = await asyncio.wait_for(client.get("/livez"), timeout=60)
                assert alive.status_code == 200
            assert not slow.done()
            gated.gate.set()
            assert (await slow).status_code == 200

    asyncio.run(scenario())


def test_liveness_answers_and_prediction_waits_its_turn_while_the_model_loads(
    model_path: Path, gated: GatedDetector
) -> None:
    loading = threading.Event()

    def loader(_: Settings) -> Judge:
        assert loading.wait(60)
        return gated

    async def scenario() -> None:
        app = create_app(quiet_settings(model_path), loader)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://t") as client,
        ):
            assert (await client.get("/livez")).status_code == 200
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/health")).json()["status"] == "starting"
            refused = await client.post("/predict", files=FILES)
            assert (refused.status_code, refused.json()["code"]) == (503, "model_not_ready")
            loading.set()
            await until(lambda: app.state.service.state == "ok")
            assert (await client.get("/readyz")).status_code == 200
            gated.gate.set()
            assert (await client.post("/predict", files=FILES)).status_code == 200

    asyncio.run(scenario())


def test_photos_beyond_the_queue_are_refused_and_the_place_is_free_again_afterwards(
    model_path: Path, gated: GatedDetector
) -> None:
    async def scenario() -> None:
        settings = quiet_settings(model_path, workers=1, queue_size=2)
        app = create_app(settings, lambda _: gated)
        async with serving(app) as client:
            accepted = [asyncio.create_task(client.post("/predict", files=FILES)) for _ in range(3)]
            service: Service = app.state.service
            await until(lambda: service.scorer.pending == 3)
            refused = await client.post("/predict", files=FILES)
            assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
            assert int(refused.headers["retry-after"]) >= 1
            gated.gate.set()
            assert [reply.status_code for reply in await asyncio.gather(*accepted)] == [200] * 3
            assert (await client.post("/predict", files=FILES)).status_code == 200
            assert service.scorer.pending == 0

    asyncio.run(scenario())


def test_late_answer_is_504_and_work_that_never_began_is_dropped(
    model_path: Path, gated: GatedDetector
) -> None:
    async def scenario() -> None:
        settings = quiet_settings(model_path, workers=1, queue_size=3)
        app = create_app(settings, lambda _: gated)
        async with serving(app) as client:
            scorer = app.state.service.scorer
            first = asyncio.create_task(client.post("/predict", files=FILES))
            assert await asyncio.to_thread(gated.begun.acquire, timeout=60)
            scorer.deadline_s = 0.2
            replies = await asyncio.gather(*(client.post("/predict", files=FILES) for _ in range(2)))
            assert [reply.status_code for reply in replies] == [504] * 2
            assert {reply.json()["code"] for reply in replies} == {"deadline_exceeded"}
            # The one in work still holds its place; the two that waited have given theirs back.
            assert scorer.pending == 1
            gated.gate.set()
            assert (await first).status_code == 200

    asyncio.run(scenario())
    assert gated.calls == 1


def test_shutdown_finishes_what_is_in_work(model_path: Path, gated: GatedDetector) -> None:
    async def scenario() -> None:
        service = Service(quiet_settings(model_path), lambda _: gated)
        await service.start()
        scorer = service.scorer
        work = asyncio.create_task(scorer.score(PHOTO))
        assert await asyncio.to_thread(gated.begun.acquire, timeout=60)
        stopping = asyncio.create_task(service.stop())
        await asyncio.sleep(0.01)
        assert service.state == "stopping"
        with pytest.raises(NotReadyError, match="stopping"):
            _ = service.scorer
        gated.gate.set()
        assert (await work).label in {"real", "ai_generated"}
        await stopping

    asyncio.run(scenario())


def test_bug_in_loading_is_not_hidden(model_path: Path) -> None:
    def loader(_: Settings) -> Judge:
        raise ZeroDivisionError

    service = Service(quiet_settings(model_path), loader)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(service.start())
    assert service.state == "failed"
    asyncio.run(service.stop())


def test_part_that_cannot_be_closed_leaves_none_open_and_is_logged(
    model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = quiet_settings(
        model_path, log_level="error", store_url=f"sqlite:///{tmp_path}/d.db", spool_dir=tmp_path / "spool"
    )
    closed: list[str] = []

    class Broken:
        def close(self) -> None:
            raise OSError(28, "disk full")

    async def scenario() -> None:
        app = create_app(settings)
        service: Service = app.state.service
        async with serving(app):
            service.parts.append(Broken())
            assert service.store is not None
            close = service.store.close
            monkeypatch.setattr(service.store, "close", lambda: (close(), closed.append("store")))
            ended = service.access.close

            async def close_access() -> None:
                closed.append("access")
                await ended()

            monkeypatch.setattr(service.access, "close", close_access)

    asyncio.run(scenario())
    assert closed == ["store", "access"]
    (line,) = log_lines(capsys)
    assert (line["event"], line["part"]) == ("close_failed", "Broken")


def test_app_that_ends_by_an_error_is_closed_like_any_other(model_path: Path) -> None:
    app = create_app(quiet_settings(model_path))

    async def scenario() -> None:
        with pytest.raises(ZeroDivisionError):
            async with serving(app):
                raise ZeroDivisionError

    asyncio.run(scenario())
    assert app.state.service.state == "stopping"


def test_scorer_passes_results_and_errors_on(detector: Judge, detection: Detection) -> None:
    async def scenario() -> None:
        scorer = Scorer(detector, workers=2, queue_size=4, deadline_s=10)
        results = await asyncio.gather(
            *(scorer.score(data) for data in (PHOTO, b"", PHOTO)), return_exceptions=True
        )
        assert [type(item) is Detection for item in results] == [True, False, True]
        assert isinstance(results[1], ImageError)
        scorer.close()

    asyncio.run(scenario())


def test_scorer_without_a_queue(gated: GatedDetector) -> None:
    async def scenario() -> None:
        scorer = Scorer(gated, workers=1, queue_size=0, deadline_s=0.05)
        first = asyncio.create_task(scorer.score(PHOTO))
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await scorer.score(PHOTO)
        with pytest.raises(DeadlineError):
            await first
        gated.gate.set()
        await asyncio.to_thread(scorer.close)
        assert scorer.pending == 0

    asyncio.run(scenario())


def log_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]


def test_access_line_has_the_request_id_and_nothing_of_the_clients_text(
    model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(quiet_settings(model_path, log_level="info")) as client:
        reply = client.predict(PHOTO, "/predict?policy=balanced")
        client.get("/secret-path?token=hidden")
        client.get("/livez")
    lines = log_lines(capsys)
    assert lines[0]["event"] == "model_ready"
    first, second = [line for line in lines if line["event"] == "request"]
    assert first["request_id"] == reply.headers["x-request-id"]
    assert (first["method"], first["route"], first["status"]) == ("POST", "/predict", 200)
    assert first["duration_ms"] > 0
    assert (second["route"], second["status"]) == (None, 404)
    assert not any(word in json.dumps(lines) for word in ("secret-path", "hidden", "photo.jpg", "balanced"))


def test_bug_leaves_a_traceback_with_the_request_id(
    model_path: Path, detector: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    class Buggy:
        card = detector.card

        prepare = detector.prepare

        def judge(self, items: Any, policies: Any) -> list[Detection]:
            raise ZeroDivisionError

    with running(quiet_settings(model_path, log_level="error"), lambda _: Buggy()) as client:
        reply = client.predict(PHOTO)
    (line,) = log_lines(capsys)
    assert (line["event"], line["level"]) == ("unexpected_error", "error")
    assert line["request_id"] == reply.headers["x-request-id"]
    assert line["exception"][0]["exc_type"] == "ZeroDivisionError"


def test_failed_model_is_logged_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(quiet_settings(tmp_path / "gone.onnx")) as client:
        assert isinstance(client, Client)
    (line,) = log_lines(capsys)
    assert (line["event"], line["level"], line["code"]) == ("start_failed", "critical", "model_invalid")
    assert "gone.onnx" in line["reason"]
