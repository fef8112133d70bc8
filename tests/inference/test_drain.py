"""SIGTERM to a real server under load: readiness goes first, all that was accepted is answered, it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from bench.server import free_port
from tests.support.patience import eventually
from tests.support.process import PHOTOS, REPO, metric, server
from tests.support.service import no_keys


def until_draining(client: httpx.Client) -> None:
    give_up = time.monotonic() + 60
    while client.get("/readyz").status_code != 503:
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_no_request_fails_from_sigterm_until_the_end(model_path: Path, tmp_path: Path) -> None:
    """Clients that go elsewhere a little after readiness went off, as behind a balancer, see no error."""
    outcomes: list[int | str] = []
    stop = threading.Event()

    def load(url: str, number: int) -> None:
        with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
            turn = number
            while not stop.is_set():
                turn += 7
                try:
                    files = {"file": PHOTOS[turn % len(PHOTOS)]}
                    outcomes.append(client.post("/predict", files=files).status_code)
                except httpx.TransportError as error:  # whatever it is, a request has failed
                    outcomes.append(repr(error))

    with server(model_path, tmp_path, DETECTOR_DRAIN_S="200", DETECTOR_CACHE_ENTRIES="0") as (process, url):
        threads = [threading.Thread(target=load, args=(url, number)) for number in range(6)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(outcomes) > 6, "nothing was answered")
        before = len(outcomes)
        process.send_signal(signal.SIGTERM)
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            until_draining(client)
            assert client.get("/livez").status_code == 200
            assert client.get("/health").json()["status"] == "draining"
            assert client.post("/predict", files={"file": PHOTOS[0]}).status_code == 200
        eventually(lambda: len(outcomes) > before + 6, "nothing was answered after the signal")
        stop.set()
        for thread in threads:
            thread.join(120)
        process.send_signal(signal.SIGTERM)  # enough of waiting
        code = process.wait(timeout=120)
    assert code in (0, -signal.SIGTERM)
    assert set(outcomes) == {200}


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_what_is_in_flight_when_it_stops_listening_is_answered(model_path: Path, tmp_path: Path) -> None:
    head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    limits = {"DETECTOR_DRAIN_S": "0.2", "DETECTOR_FINISH_S": "120", "DETECTOR_UPLOAD_TIMEOUT_S": "120"}
    bodies = [head + photo + b"\r\n--xyz--\r\n" for photo in PHOTOS[:6]]
    with server(model_path, tmp_path, **limits) as (process, url), ExitStack() as stack:
        port = int(url.rpartition(":")[2])
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 120)) for _ in bodies]
        for client, body in zip(clients, bodies, strict=True):
            request = (
                b"POST /predict HTTP/1.1\r\nHost: t\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
            )
            client.sendall(request + b"Content-Length: %d\r\n\r\n" % len(body) + body[: len(body) // 2])
        eventually(
            lambda: metric(url, "upload_bytes") >= sum(map(len, bodies)) // 3, "the halves have not arrived"
        )
        process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses(port), "it still listens")
        replies = []
        for client, body in zip(clients, bodies, strict=True):
            client.sendall(body[len(body) // 2 :])
        for client in clients:
            reply = b""
            while piece := client.recv(65_536):
                reply += piece
            replies.append(reply[:15])
        assert replies == [b"HTTP/1.1 200 OK"] * len(bodies)
        assert process.wait(timeout=120) in (0, -signal.SIGTERM)


def test_second_sigterm_skips_the_wait(model_path: Path, tmp_path: Path) -> None:
    with server(model_path, tmp_path, DETECTOR_DRAIN_S="200") as (process, url):
        process.send_signal(signal.SIGTERM)
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            until_draining(client)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) in (0, -signal.SIGTERM)


def test_slow_upload_is_cut_off_and_what_has_arrived_is_answered(model_path: Path, tmp_path: Path) -> None:
    head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    request = b"POST %s HTTP/1.1\r\nHost: t\r\nContent-Type: %s\r\nContent-Length: 60000\r\n\r\n"
    limits = {"DETECTOR_DRAIN_S": "0.2", "DETECTOR_FINISH_S": "4", "DETECTOR_UPLOAD_TIMEOUT_S": "120"}
    with server(model_path, tmp_path, **limits) as (process, url), ExitStack() as stack:
        port = int(url.rpartition(":")[2])
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 60)) for _ in range(3)]
        for connection, path in zip(slow[:2], (b"/predict", b"/explain"), strict=True):
            connection.sendall(
                request % (path, b"multipart/form-data; boundary=xyz") + head + PHOTOS[0][:500]
            )
        slow[2].sendall(request % (b"/predict/url", b"application/json") + b"{")
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            page = client.get("/metrics").text
            give_up = time.monotonic() + 60
            while "detector_upload_bytes 0.0" in page:
                assert time.monotonic() < give_up
                page = client.get("/metrics").text
            process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            assert client.post("/predict", files={"file": PHOTOS[1]}).status_code == 200
        for connection in slow:
            reply = b""
            while piece := connection.recv(65_536):
                reply += piece
            assert reply.startswith(b"HTTP/1.1 503"), reply
            assert b'"code":"shutting_down"' in reply
            assert b"connection: close" in reply.lower()
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)
    # The bounds are 4.2 s, and what a busy machine adds; without them it would be 120 s.
    assert time.monotonic() - begun < 30


def test_client_that_does_not_read_its_reply_does_not_hold_the_server_up(
    model_path: Path, tmp_path: Path
) -> None:
    photo = PHOTOS[0]
    parts = [
        b'--xyz\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + photo + b"\r\n"
    ] * 32
    body = b"".join(parts) + b"--xyz--\r\n"
    request = (
        b"POST /predict/batch?explain=true HTTP/1.1\r\nHost: t\r\nAccept: application/x-ndjson\r\n"
        b"Content-Type: multipart/form-data; boundary=xyz\r\nContent-Length: %d\r\n\r\n"
    )
    limits = {"DETECTOR_DRAIN_S": "0.1", "DETECTOR_FINISH_S": "1"}
    with server(model_path, tmp_path, **limits) as (process, url), socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        deaf.sendall(request % len(body) + body)
        assert deaf.recv(100).startswith(b"HTTP/1.1 200")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_open_bind_without_keys_does_not_start_where_that_is_refused(
    model_path: Path, tmp_path: Path, host: str
) -> None:
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "src.inference.api:app",
        "--host",
        host,
        "--port",
        str(free_port()),
    ]
    environment = {"DETECTOR_MODEL_PATH": str(model_path), "DETECTOR_KEYS_FILE": str(no_keys(tmp_path))}
    environment["DETECTOR_ALLOW_OPEN"] = "false"
    done = subprocess.run(
        command,
        cwd=REPO,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "detector keys issue" in done.stderr
