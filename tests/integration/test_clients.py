"""Clients over real sockets that are slow, or hang up: they hold nothing and stop nobody."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from src.inference.detection import Detection
from src.inference.detector import Detector
from tests.support.live import live
from tests.support.patience import eventually
from tests.support.pictures import photo_bytes
from tests.support.process import metric
from tests.support.service import GatedDetector, quiet_settings

PHOTO = photo_bytes(1)
BODY = (
    b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + PHOTO + b"\r\n--xyz--\r\n"
)
REQUEST = (
    b"POST /predict HTTP/1.1\r\nHost: t\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
)


def connect(url: str) -> socket.socket:
    place = urlsplit(url)
    return socket.create_connection((str(place.hostname), place.port or 80), 60)


def predict(url: str) -> int:
    return httpx.post(f"{url}/predict", files={"file": PHOTO}, timeout=120, trust_env=False).status_code


@pytest.fixture(scope="module")
def detection(model_path: Path) -> Detection:
    return Detector.from_file(model_path, threads=1).detect(PHOTO)


@pytest.fixture
def gated(detection: Detection) -> Iterator[GatedDetector]:
    detector = GatedDetector(detection)
    yield detector
    detector.gate.set()


def test_clients_that_hang_up_leave_neither_bytes_nor_places_taken(
    model_path: Path, gated: GatedDetector
) -> None:
    settings = quiet_settings(model_path, workers=1, queue_size=3)
    with live(settings, lambda _: gated) as url:
        # In the middle of the upload,
        with connect(url) as client:
            client.sendall(REQUEST + BODY[:200])
            eventually(lambda: metric(url, "upload_bytes") > 0, "the upload did not begin")
        eventually(lambda: metric(url, "upload_bytes") == 0, "bytes of a client that is gone are held")
        # and while they wait for their answer: all places are taken, then free but for the one in work.
        with ExitStack() as stack:
            for _ in range(4):
                stack.enter_context(connect(url)).sendall(REQUEST + BODY)
            eventually(lambda: metric(url, "queue_depth") == 4, "the photos were not accepted")
            assert predict(url) == 429
        eventually(lambda: metric(url, "queue_depth") == 1, "places of clients that are gone are held")
        gated.gate.set()
        eventually(lambda: metric(url, "queue_depth") == 0, "the photo in work was not finished")
        assert predict(url) == 200
        assert gated.calls == 2


def test_slow_senders_hold_up_nobody(model_path: Path) -> None:
    with live(quiet_settings(model_path, workers=1, queue_size=1)) as url, ExitStack() as stack:
        slow = [stack.enter_context(connect(url)) for _ in range(20)]
        for client in slow:
            client.sendall(REQUEST + BODY[:100])
        for sent in range(100, 140):
            for client in slow:
                client.sendall(BODY[sent : sent + 1])
            if sent % 8 == 0:
                assert predict(url) == 200
        # They have no place in the queue before their photo is there; now they come one by one.
        for client in slow:
            client.sendall(BODY[140:])
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
