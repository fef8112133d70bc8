"""Many photos in one request: each has its verdict or its error, none takes the others down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from src.inference.access.keys import issue_key
from src.inference.api import create_app
from src.inference.detector import Detection
from tests.inference.test_api import BLUE, RED
from tests.support.pictures import photo_bytes
from tests.support.service import Client, GatedDetector, nothing_prepared, quiet_settings, running, serving

LINES = {"Accept": "application/x-ndjson"}


def form(*photos: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (f"{number}.jpg", photo)) for number, photo in enumerate(photos)]


def post(client: Client, *photos: bytes, url: str = "/predict/batch", **options: Any) -> httpx.Response:
    return client.post(url, files=form(*photos), **options)


@pytest.mark.parametrize("url", ["/predict/batch", "/v1/predict/batch"])
def test_each_photo_has_its_verdict_or_its_error_in_order(client: Client, url: str) -> None:
    reply = post(client, RED, b"", BLUE, b"text", RED[:60], RED, url=url)
    assert reply.status_code == 200
    items = reply.json()["items"]
    assert [item["index"] for item in items] == list(range(6))
    outcomes = [
        item["prediction"]["label"] if "prediction" in item else item["error"]["code"] for item in items
    ]
    assert outcomes == [
        "ai_generated", "empty_file", "real", "unsupported_format", "corrupt_image", "ai_generated",
    ]  # fmt: skip
    assert reply.json()["request_id"] == reply.headers["x-request-id"]
    assert len({item["prediction"]["id"] for item in items if "prediction" in item}) == 3


def test_lines_come_one_a_photo(client: Client) -> None:
    reply = post(client, RED, b"text", BLUE, headers=LINES)
    assert reply.headers["content-type"].startswith("application/x-ndjson")
    items = [json.loads(line) for line in reply.text.splitlines()]
    assert sorted(item["index"] for item in items) == [0, 1, 2]
    assert {item["index"] for item in items if "error" in item} == {1}


def test_line_leaves_as_soon_as_its_photo_is_done(model_path: Path, detection: Detection) -> None:
    class Partly(GatedDetector):
        def prepare(self, photo: bytes) -> Any:
            return nothing_prepared() if photo == b"quick" else super().prepare(photo)

    partly = Partly(detection)
    lines: list[dict[str, Any]] = []
    first = asyncio.Event()

    async def scenario() -> None:
        app = create_app(quiet_settings(model_path), lambda _: partly)
        async with serving(app):
            body = httpx.Request(
                "POST", "http://t/predict/batch", files=form(b"slow", b"quick"), headers=LINES
            )
            sent = {"type": "http.request", "body": body.read(), "more_body": False}
            inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            inbox.put_nowait(sent)

            async def send(message: Any) -> None:
                if message.get("body"):
                    lines.append(json.loads(message["body"]))
                    first.set()

            scope = {
                "type": "http",
                "method": "POST",
                "path": "/predict/batch",
                "query_string": b"",
                "headers": [(name.lower(), value) for name, value in body.headers.raw],
            }
            serving_it = asyncio.create_task(app(scope, inbox.get, send))
            async with asyncio.timeout(60):
                await first.wait()
            assert [line.get("index") for line in lines] == [1], lines
            partly.gate.set()
            await serving_it
            assert app.state.service.budget.held == 0
        assert [line["index"] for line in lines] == [1, 0]

    asyncio.run(scenario())


def test_options_hold_for_every_photo(client: Client) -> None:
    reply = post(client, RED, BLUE, url="/predict/batch?explain=true", data={"policy": "high_recall"})
    for item in reply.json()["items"]:
        assert item["prediction"]["policy"] == "high_recall"
        assert len(item["prediction"]["evidence"]["heatmap"]) == 8


def assert_refused(reply: httpx.Response, status: int, code: str) -> None:
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_wrong_batches_are_refused_whole(model_path: Path, client: Client) -> None:
    assert_refused(post(client, RED, url="/predict/batch?policy=lenient"), 422, "unknown_policy")
    assert_refused(client.post("/predict/batch", files={"file": RED}), 422, "missing_file")
    settings = quiet_settings(model_path, max_batch_files=2, max_batch_bytes=200_000, max_bytes=150_000)
    with running(settings) as small:
        assert_refused(post(small, RED, RED, RED), 413, "too_many_files")
        assert_refused(post(small, b"\0" * 150_001), 413, "file_too_large")
        assert_refused(post(small, b"\0" * 140_000, b"\0" * 140_000), 413, "file_too_large")
        assert post(small, RED, RED).status_code == 200


def test_batch_larger_than_the_queue_is_judged_whole(model_path: Path) -> None:
    settings = quiet_settings(model_path, workers=1, queue_size=1, max_batch=1)
    photos = [photo_bytes(seed) for seed in range(12)]
    with running(settings) as client:
        assert all("prediction" in item for item in post(client, *photos).json()["items"])


def test_photos_for_which_no_place_comes_free_in_time_say_so(model_path: Path, detection: Detection) -> None:
    gated = GatedDetector(detection)

    async def scenario() -> None:
        settings = quiet_settings(model_path, workers=1, queue_size=0, batch_deadline_s=0.1, deadline_s=120)
        app = create_app(settings, lambda _: gated)
        async with serving(app) as client:
            batch = asyncio.create_task(client.post("/predict/batch", files=form(b"a", b"b")))
            assert await asyncio.to_thread(gated.begun.acquire, timeout=60)
            await asyncio.sleep(0.2)
            single = await client.post("/predict", files={"file": ("a.jpg", b"c")})
            assert_refused(single, 429, "overloaded")
            gated.gate.set()
            assert len((await batch).json()["items"]) == 2

    asyncio.run(scenario())


@pytest.fixture
def keyed(model_path: Path, tmp_path: Path) -> Iterator[tuple[Client, dict[str, str]]]:
    path = tmp_path / "keys.json"
    _, secret = issue_key(path, "shop", frozenset({"predict"}), rate_limit="5/hour")
    with running(quiet_settings(model_path, keys_file=path)) as client:
        yield client, {"X-API-Key": secret}


def test_batch_counts_as_its_photos_against_the_rate(keyed: tuple[Client, dict[str, str]]) -> None:
    client, headers = keyed
    assert post(client, RED, BLUE, RED, headers=headers).status_code == 200
    assert_refused(post(client, RED, BLUE, RED, headers=headers), 429, "rate_limited")


def test_repeated_batch_gets_the_first_answers(model_path: Path, tmp_path: Path) -> None:
    settings = quiet_settings(
        model_path, store_url=f"sqlite:///{tmp_path}/d.db", spool_dir=tmp_path / "spool"
    )
    with running(settings) as client:

        def ids() -> list[str]:
            reply = post(client, RED, BLUE, headers={"Idempotency-Key": "batch-1"})
            return [item["prediction"]["id"] for item in reply.json()["items"]]

        assert ids() == ids()
