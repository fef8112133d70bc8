"""Over a real socket: a refused upload still gets its answer, a stalled one is cut off."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from src.inference.api import create_app
from tests.support.pictures import photo_bytes
from tests.support.service import quiet_settings

MB = 2**20


@pytest.fixture(scope="module")
def port(model_path: Path) -> Iterator[int]:
    app = create_app(quiet_settings(model_path, max_bytes=MB, upload_timeout_s=0.5))
    config = uvicorn.Config(app, port=0, ws="none", log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    give_up = time.monotonic() + 20
    while not server.started or app.state.service.state == "starting":
        assert time.monotonic() < give_up, "the server did not start"
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def test_verdict(port: int) -> None:
    reply = httpx.post(f"http://127.0.0.1:{port}/predict", files={"file": photo_bytes(1)})
    assert reply.status_code == 200


def test_upload_over_the_limit_gets_its_413_while_it_is_sent(port: int) -> None:
    taken = 0

    def body() -> Iterator[bytes]:
        nonlocal taken
        yield b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(3000):
            taken += 1
            yield b"\0" * 65_536

    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        reply = client.post("/predict", content=body(), headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (413, "file_too_large")
        assert taken < 3000
        assert client.get("/livez").status_code == 200


def test_sender_that_stops_in_the_middle_is_told_and_cut_off(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
            b"Content-Length: 5000\r\n\r\n--xyz\r\n"
        )
        answer = b""
        while piece := raw.recv(4096):  # ends because the server closes
            answer += piece
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"upload_timeout" in answer
