"""Headers on every reply, pages of other origins by setting, and bodies that routes parse kept small."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from src.inference.access.wire import BODY_BYTES, SECURITY_HEADERS
from tests.support.pictures import photo_bytes
from tests.support.service import Client, quiet_settings, running

JSON = {"Content-Type": "application/json"}


def test_every_reply_has_the_security_headers(client: Client) -> None:
    replies = [
        client.get("/livez"),
        client.get("/nowhere"),
        client.predict(photo_bytes(1)),
        client.predict(b""),
    ]
    for reply in replies:
        assert {name: reply.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert "strict-transport-security" not in reply.headers
    page = client.get("/docs").headers
    assert {name: page.get(name) for name in SECURITY_HEADERS if name != "Content-Security-Policy"} == {
        name: value for name, value in SECURITY_HEADERS.items() if name != "Content-Security-Policy"
    }


def test_https_only_when_told(model_path: Path) -> None:
    with running(quiet_settings(model_path, hsts=True)) as client:
        assert "max-age" in client.get("/livez").headers["strict-transport-security"]


def test_pages_of_listed_origins_alone_may_call(model_path: Path) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with running(quiet_settings(model_path, cors_origins=("https://shop.example",))) as client:
        allowed = client.request("OPTIONS", "/predict", headers={"Origin": "https://shop.example"} | asked)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
        refused = client.request("OPTIONS", "/predict", headers={"Origin": "https://evil.example"} | asked)
        assert "access-control-allow-origin" not in refused.headers
        reply = client.get("/livez", headers={"Origin": "https://shop.example"})
        assert reply.headers["access-control-allow-origin"] == "https://shop.example"


def test_no_origin_may_call_by_default(client: Client) -> None:
    reply = client.get("/livez", headers={"Origin": "https://shop.example"})
    assert "access-control-allow-origin" not in reply.headers


class Sender:
    def __init__(self, pieces: int, pause_s: float = 0.0) -> None:
        self.taken, self._pieces, self._pause_s = 0, pieces, pause_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"url": "'
        for _ in range(self._pieces):
            self.taken += 1
            await asyncio.sleep(self._pause_s)
            yield b"x" * 4096


@pytest.mark.usefixtures("no_lingering")
@pytest.mark.parametrize("url", ["/predict/url", "/v1/predict/url", f"/predictions/{'0' * 32}/feedback"])
def test_body_that_is_parsed_is_bounded_while_it_streams(client: Client, url: str) -> None:
    sender = Sender(pieces=5000)
    reply = client.post(url, content=sender, headers=JSON)
    assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")
    assert reply.headers["connection"] == "close"
    assert sender.taken <= BODY_BYTES // 4096 + 2


def test_slow_body_is_cut_off(model_path: Path) -> None:
    with running(quiet_settings(model_path, upload_timeout_s=0.05)) as client:
        reply = client.post("/predict/url", content=Sender(pieces=10, pause_s=0.1), headers=JSON)
    assert (reply.status_code, reply.json()["code"]) == (408, "upload_timeout")
