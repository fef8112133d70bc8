"""Batches that nobody waits for: taken durably, bounded, read by their owner, told to a real receiver."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from standardwebhooks.webhooks import Webhook

from src.inference import jobs as jobs_module
from src.inference.access.keys import issue_key
from src.inference.api import create_app
from src.inference.detection import Detection
from src.inference.service import Loader, load_detector
from src.store.records import new_id
from src.utils.settings import Settings
from tests.inference.test_api import BLUE, RED
from tests.inference.test_webhooks import SECRET, Receiver
from tests.support.service import GatedDetector, quiet_settings, serving

Call = Callable[[httpx.AsyncClient, FastAPI], Awaitable[None]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "_LOOK_S", 0.02)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as receiver:
        yield receiver


@pytest.fixture
def settings(model_path: Path, tmp_path: Path) -> Settings:
    return quiet_settings(
        model_path, store_url=f"sqlite:///{tmp_path}/kept.db", spool_dir=tmp_path / "spool", max_jobs=2
    )


def scenario(
    settings: Settings, call: Call, receiver: Receiver | None = None, loader: Loader = load_detector
) -> None:
    async def run() -> None:
        app = create_app(settings, loader)
        if receiver is not None:
            app.state.service.jobs.courier = receiver.courier(delays_s=(0.02, 0.02))
        async with asyncio.timeout(120), serving(app) as client:
            await call(client, app)

    asyncio.run(run())


async def begin(client: httpx.AsyncClient, *photos: bytes, **options: Any) -> httpx.Response:
    files = [("files", (f"{index}.png", photo)) for index, photo in enumerate(photos)]
    return await client.post("/v1/predict/jobs", files=files, **options)


async def ended(client: httpx.AsyncClient, job_id: str, **options: Any) -> dict[str, Any]:
    while True:
        reply = await client.get(f"/predict/jobs/{job_id}", **options)
        assert reply.status_code == 200, reply.text
        job: dict[str, Any] = reply.json()
        if job["state"] != "working" and job["delivery"] != "waiting":
            return job
        await asyncio.sleep(0.01)


def told(job: dict[str, Any]) -> list[str]:
    return [
        item["prediction"]["label"] if "prediction" in item else item["error"]["code"]
        for item in job["items"]
    ]


def problem(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


def test_job_is_taken_at_once_and_read_later(settings: Settings) -> None:
    async def call(client: httpx.AsyncClient, app: FastAPI) -> None:
        reply = await begin(client, RED, b"text", BLUE)
        assert reply.status_code == 202
        taken = reply.json()
        assert reply.headers["location"] == f"/v1/predict/jobs/{taken['id']}"
        assert (taken["photos"], taken["delivery"], taken["items"]) == (3, "none", [])
        job = await ended(client, taken["id"])
        assert (job["state"], told(job)) == ("done", ["ai_generated", "unsupported_format", "real"])
        # The verdicts are predictions like all others, and whoever deletes one deletes it here too.
        name = job["items"][0]["prediction"]["id"]
        assert (await client.get(f"/predictions/{name}")).status_code == 200
        await client.delete(f"/predictions/{name}")
        assert told(await ended(client, taken["id"])) == ["not_found", "unsupported_format", "real"]
        assert app.state.service.budget.held == 0

    scenario(settings, call)


def test_caller_is_told_with_a_signature(settings: Settings, receiver: Receiver) -> None:
    async def call(client: httpx.AsyncClient, app: FastAPI) -> None:
        reply = await begin(client, RED, BLUE, data={"callback_url": receiver.url})
        job = await ended(client, reply.json()["id"])
        assert job["delivery"] == "delivered"
        ((headers, body),) = receiver.got
        message = Webhook(SECRET).verify(body, headers)
        assert headers["webhook-id"] == job["id"]
        assert message["type"] == "predict_job.done"
        assert told(message["data"]) == ["ai_generated", "real"]
        assert b'detector_webhooks_total{outcome="delivered"} 1.0' in app.state.service.metrics.page()

    scenario(settings, call, receiver)


def test_message_is_repeated_under_the_same_id_until_it_is_taken(
    settings: Settings, receiver: Receiver
) -> None:
    receiver.answers = [500, 503]

    async def call(client: httpx.AsyncClient, _: FastAPI) -> None:
        reply = await begin(client, RED, data={"callback_url": receiver.url})
        job = await ended(client, reply.json()["id"])
        assert job["delivery"] == "delivered"

    scenario(settings, call, receiver)
    assert len(receiver.got) == 3
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    for headers, body in receiver.got:
        Webhook(SECRET).verify(body, headers)


def test_message_that_nobody_takes_is_given_up(settings: Settings, receiver: Receiver) -> None:
    receiver.answers = [500] * 10

    async def call(client: httpx.AsyncClient, _: FastAPI) -> None:
        reply = await begin(client, RED, data={"callback_url": receiver.url})
        job = await ended(client, reply.json()["id"])
        assert (job["state"], job["delivery"]) == ("done", "failed")

    scenario(settings, call, receiver)
    assert len(receiver.got) == 3


def test_message_that_waits_is_sent_by_the_next_process(settings: Settings, receiver: Receiver) -> None:
    names: list[str] = []

    async def first(client: httpx.AsyncClient, app: FastAPI) -> None:
        service = app.state.service
        service.jobs._telling.cancel()  # this process never comes to tell
        reply = await begin(client, RED, data={"callback_url": receiver.url})
        names.append(reply.json()["id"])
        while (await service.store.jobs.find(names[0])).state == "working":  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def second(client: httpx.AsyncClient, _: FastAPI) -> None:
        assert (await ended(client, names[0]))["delivery"] == "delivered"

    scenario(settings, first, receiver)
    assert receiver.got == []
    scenario(settings, second, receiver)
    assert json.loads(receiver.got[0][1])["data"]["id"] == names[0]


def test_service_that_ends_lets_jobs_finish_or_ends_them_as_interrupted(
    settings: Settings, receiver: Receiver, detection: Detection
) -> None:
    detector = GatedDetector(detection)
    names: list[str] = []

    async def first(client: httpx.AsyncClient, app: FastAPI) -> None:
        reply = await begin(client, RED, BLUE, data={"callback_url": receiver.url})
        names.append(reply.json()["id"])
        assert await asyncio.to_thread(detector.begun.acquire, timeout=60)
        await app.state.service.jobs.stop(patience_s=0.05)
        detector.gate.set()

    async def second(client: httpx.AsyncClient, _: FastAPI) -> None:
        job = await ended(client, names[0])
        assert (job["state"], job["items"], job["delivery"]) == ("interrupted", [], "delivered")

    scenario(settings, first, receiver, lambda _: detector)
    scenario(settings, second, receiver)
    assert json.loads(receiver.got[0][1])["type"] == "predict_job.interrupted"

    async def third(client: httpx.AsyncClient, app: FastAPI) -> None:
        names.append((await begin(client, RED, BLUE)).json()["id"])
        await app.state.service.jobs.stop(patience_s=60)
        assert told(await ended(client, names[1])) == ["ai_generated", "real"]

    scenario(settings, third)


def test_jobs_and_their_bytes_are_bounded(settings: Settings, detection: Detection) -> None:
    detector = GatedDetector(detection)

    async def call(client: httpx.AsyncClient, app: FastAPI) -> None:
        begun = [await begin(client, RED) for _ in range(2)]
        assert [reply.status_code for reply in begun] == [202, 202]
        assert app.state.service.budget.held >= 2 * len(RED)
        refused = await begin(client, RED)
        assert problem(refused) == (429, "overloaded")
        assert "retry-after" in refused.headers
        detector.gate.set()
        for reply in begun:
            await ended(client, reply.json()["id"])
        give_up = time.monotonic() + 60
        while app.state.service.budget.held and time.monotonic() < give_up:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert app.state.service.budget.held == 0
        assert (await begin(client, RED)).status_code == 202

    scenario(settings, call, loader=lambda _: detector)


def test_callbacks_are_off_unless_hosts_are_listed(settings: Settings, receiver: Receiver) -> None:
    async def without(client: httpx.AsyncClient, app: FastAPI) -> None:
        reply = await begin(client, RED, data={"callback_url": receiver.url})
        assert problem(reply) == (403, "webhooks_disabled")
        assert app.state.service.budget.held == 0

    async def with_others(client: httpx.AsyncClient, _: FastAPI) -> None:
        reply = await begin(client, RED, data={"callback_url": "http://169.254.169.254/latest"})
        assert problem(reply) == (422, "url_not_allowed")

    scenario(settings, without)
    scenario(settings, with_others, receiver)


def test_a_job_without_a_store_is_refused(model_path: Path) -> None:
    async def call(client: httpx.AsyncClient, _: FastAPI) -> None:
        assert problem(await begin(client, RED)) == (503, "store_unavailable")

    scenario(quiet_settings(model_path), call)


def test_mistakes_are_told_before_a_job_begins(settings: Settings) -> None:
    async def call(client: httpx.AsyncClient, app: FastAPI) -> None:
        assert problem(await begin(client, RED, params={"policy": "x"})) == (422, "unknown_policy")
        reply = await client.post("/predict/jobs", files={"other": b"x"})
        assert problem(reply) == (422, "missing_file")
        assert problem(await client.get("/predict/jobs/x")) == (422, "invalid_request")
        assert problem(await client.get(f"/predict/jobs/{new_id()}")) == (404, "not_found")
        assert app.state.service.budget.held == 0

    scenario(settings, call)


def test_a_job_is_its_owner_s_and_a_reviewer_s(settings: Settings, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    mine, theirs, reviewer = (
        {"X-API-Key": issue_key(keys, "test", frozenset({scope}))[1]}
        for scope in ("predict", "predict", "review")
    )

    async def call(client: httpx.AsyncClient, _: FastAPI) -> None:
        assert (await begin(client, RED, headers=reviewer)).status_code == 403
        job_id = (await begin(client, RED, headers=mine)).json()["id"]
        assert told(await ended(client, job_id, headers=mine)) == ["ai_generated"]
        assert told(await ended(client, job_id, headers=reviewer)) == ["ai_generated"]
        assert problem(await client.get(f"/predict/jobs/{job_id}", headers=theirs)) == (404, "not_found")
        assert (await client.get(f"/predict/jobs/{job_id}")).status_code == 401

    scenario(settings.model_copy(update={"keys_file": keys}), call)
