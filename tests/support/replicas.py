"""Replicas of the service that can be killed, drained and started anew, and clients that load them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx

from bench.server import REPO, free_port, wait_until_ready

_START_S = 240.0
_PAUSE_S = 0.03
"""Between two photos of a client: a load that leaves room for replicas to start."""


class Replica:
    """One process of the service.

    Attributes:
        address: Host and port, the same for every process.
        url: Of the same.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        folder.mkdir(parents=True)
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self._log = folder / "log"
        self._settings = {"DETECTOR_SPOOL_DIR": str(folder / "spool"), **settings}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, model: Path) -> None:
        """Begin a process; `wait` for it."""
        command = [sys.executable, "-m", "uvicorn", "src.inference.api:app", "--no-proxy-headers"]
        command += ["--port", self.address.rpartition(":")[2], "--log-level", "error"]
        environment = os.environ | self._settings | {"DETECTOR_MODEL_PATH": str(model)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=REPO, env=environment, stdout=log, stderr=log)

    def wait(self) -> None:
        """Until it is ready."""
        assert self._process is not None
        wait_until_ready(self.url, self._process, _START_S)

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(60)

    def drain(self) -> None:
        """End it as an orchestrator does, which would kill it after a while."""
        assert self._process is not None
        self._process.terminate()
        # The server finishes, and then ends by the signal that it was sent.
        assert self._process.wait(60) in {0, -signal.SIGTERM}, self._log.read_text()

    def close(self) -> None:
        """Leave nothing running."""
        if self._process is not None and self._process.poll() is None:
            self.kill()


@contextmanager
def replicas(count: int, folder: Path, model: Path, settings: Mapping[str, str]) -> Iterator[list[Replica]]:
    """So many replicas that are ready, gone afterwards."""
    found = [Replica(folder / f"replica-{number}", settings) for number in range(count)]
    try:
        for replica in found:
            replica.start(model)
        for replica in found:
            replica.wait()
        yield found
    finally:
        for replica in found:
            replica.close()


class Traffic:
    """Clients that send photos, each with a key of its own, until `stop`.

    Args:
        url: Of the balancer.
        api_key: Of all clients.
        photos: Sent one after the other.
        clients: So many at once.

    Attributes:
        answers: By prediction: the version of the model that answered.
        sent: Requests that were answered, whatever the answer.
        wrong: Answers other than 200 that is stored, and what came instead of one.
    """

    def __init__(self, url: str, api_key: str, photos: Sequence[bytes], *, clients: int) -> None:
        self.answers: dict[str, str] = {}
        self.sent = 0
        self.wrong: Counter[str] = Counter()
        self._url, self._api_key, self._photos = url, api_key, photos
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each client finish its request."""
        self._stop.set()
        for thread in self._threads:
            thread.join(240)
            assert not thread.is_alive()

    def _client(self, turn: int) -> None:
        headers = {"X-API-Key": self._api_key}
        with httpx.Client(base_url=self._url, timeout=120, trust_env=False, headers=headers) as client:
            while not self._stop.is_set():
                self._one(client, self._photos[turn % len(self._photos)])
                turn += len(self._threads)
                self._stop.wait(_PAUSE_S)

    def _one(self, client: httpx.Client, photo: bytes) -> None:
        problem, answer = "", {}
        try:
            reply = client.post("/predict", files={"file": photo}, headers={"Idempotency-Key": uuid4().hex})
            if reply.status_code == httpx.codes.OK:
                answer = reply.json()
                problem = "" if answer["stored"] else "not stored"
            else:
                problem = f"{reply.status_code} {reply.text[:200]}"
        except httpx.TransportError as error:
            problem = repr(error)
        with self._lock:
            self.sent += 1
            if problem:
                self.wrong[problem] += 1
            else:
                self.answers[answer["id"]] = answer["model_version"]
