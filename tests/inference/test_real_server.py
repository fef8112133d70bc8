"""Over a real socket: a refused upload still gets its answer, a stalled one is cut off."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.live import live
from tests.support.pictures import photo_bytes
from tests.support.service import quiet_settings

MB = 2**20


@pytest.fixture(scope="module")
def url(model_path: Path) -> Iterator[str]:
    with live(quiet_settings(model_path, max_bytes=MB)) as url:
        yield url


def test_verdict(url: str) -> None:
    reply = httpx.post(f"{url}/predict", files={"file": photo_bytes(1)}, timeout=60, trust_env=False)
    assert reply.status_code == 200


def test_upload_over_the_limit_gets_its_413_while_it_is_sent(url: str) -> None:
    taken = 0

    def body() -> Iterator[bytes]:
        nonlocal taken
        yield b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(3000):
            taken += 1
            yield b"\0" * 65_536

    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        reply = client.post("/predict", content=body(), headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (413, "file_too_large")
        assert taken < 3000
        assert client.get("/livez").status_code == 200


def test_sender_that_stops_in_the_middle_is_told_and_cut_off(model_path: Path) -> None:
    with live(quiet_settings(model_path, upload_timeout_s=0.5)) as url:
        place = urlsplit(url)
        with socket.create_connection((place.hostname, place.port), timeout=60) as raw:
            raw.sendall(
                b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
                b"Content-Length: 5000\r\n\r\n--xyz\r\n"
            )
            answer = b""
            while piece := raw.recv(4096):  # ends because the server closes
                answer += piece
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"upload_timeout" in answer
