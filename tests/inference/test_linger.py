from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from src.inference.linger import LingeringCloseMiddleware
from tests.support.live import listening, live
from tests.support.service import quiet_settings


def _refusing(close=True):
    """An app that answers 413 before it reads the body."""

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        headers = [(b"content-length", b"7"), *([(b"Connection", b"close")] if close else [])]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": b"refused", "more_body": False})

    return app


def test_a_refused_upload_always_gets_its_reason(model_path):
    settings = quiet_settings(model_path, max_bytes=2**20)
    with live(settings) as url, httpx.Client(trust_env=False, timeout=60) as client:
        for _ in range(20):
            reply = client.post(f"{url}/predict", files={"file": bytes(6 * 2**20)})
            assert (reply.status_code, reply.json()["code"]) == (413, "file_too_large")
            assert reply.headers["Connection"] == "close"


def test_a_client_that_sends_for_ever_is_cut_off():
    app = LingeringCloseMiddleware(_refusing(), seconds=0.3, most=2**20)
    with listening(app) as url:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as peer:
            peer.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nsome")
            received = b""
            while chunk := peer.recv(4096):
                received += chunk
    assert received.endswith(b"refused")


@pytest.mark.parametrize(("close", "read"), [(True, 3), (False, 0)])
def test_only_a_reply_that_closes_waits_for_the_rest_of_the_body(close, read):
    body = [{"type": "http.request", "body": b"x", "more_body": n < 2} for n in range(3)]
    sent = []

    async def receive():
        return body.pop(0)

    async def send(message):
        sent.append((message["type"], message.get("more_body")))

    asyncio.run(LingeringCloseMiddleware(_refusing(close))({"type": "http"}, receive, send))
    assert 3 - len(body) == read
    assert sent[-1] == ("http.response.body", False)


def test_no_more_is_read_for_nothing_than_the_bound():
    reads = 0

    async def receive():
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": bytes(1000), "more_body": True}

    async def send(_):
        return None

    asyncio.run(LingeringCloseMiddleware(_refusing(), most=10_000)({"type": "http"}, receive, send))
    assert reads == 10
