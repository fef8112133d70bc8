"""The service in a process of its own, and clients that load it and note what it has acknowledged."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.server import free_port, wait_until_ready
from tests.support.pictures import photo_bytes
from tests.support.service import no_keys

REPO = Path(__file__).parents[2]
PHOTOS = [photo_bytes(seed, (400, 300)) for seed in range(40)]


@contextmanager
def server(model: Path, folder: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run the service on a free port, its files in `folder`; yields process and URL once it is ready.

    Args:
        model: Its model file.
        folder: Of its database, spool and key file; a second server there finds what the first has left.
        settings: Variables of its environment.
    """
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "src.inference.api:app"]
    command += ["--port", str(port), "--log-level", "error"]
    environment = {
        "DETECTOR_MODEL_PATH": str(model),
        "DETECTOR_STORE_URL": f"sqlite:///{folder}/detector.db",
        "DETECTOR_SPOOL_DIR": str(folder / "spool"),
        "DETECTOR_KEYS_FILE": str(no_keys(folder)),
        "DETECTOR_LOG_LEVEL": "critical",
        "DETECTOR_DEADLINE_S": "60",
        "DETECTOR_STORE_TIMEOUT_S": "20",
    }
    process = subprocess.Popen(command, cwd=REPO, env=os.environ | environment | settings)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, process, 240)
        yield process, url
    finally:
        process.kill()
        process.wait()


class Load:
    """Clients that send photos, and judge each other one that is stored; until `stop`, or the server is gone.

    Attributes:
        statuses: Of the replies to photos.
        predictions: Ids that were answered, and whether they were said to be stored.
        feedback: Predictions whose feedback was acknowledged.
        errors: What the clients met instead of a reply.
    """

    def __init__(self, url: str, *, clients: int = 4) -> None:
        self.statuses: Counter[int] = Counter()
        self.predictions: dict[str, bool] = {}
        self.feedback: list[str] = []
        self.errors: list[str] = []
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    @property
    def spooled(self) -> int:
        """Predictions that were said not to be stored yet."""
        return list(self.predictions.values()).count(False)

    def stop(self) -> None:
        """Let each client finish its request."""
        self._stop.set()
        for thread in self._threads:
            thread.join(240)
            assert not thread.is_alive()

    def _client(self, turn: int) -> None:
        with httpx.Client(base_url=self._url, timeout=120, trust_env=False) as client:
            while not self._stop.is_set():
                turn += 7
                try:
                    self._one(client, PHOTOS[turn % len(PHOTOS)])
                except httpx.TransportError as error:
                    self.errors.append(repr(error))
                    return

    def _one(self, client: httpx.Client, photo: bytes) -> None:
        reply = client.post("/predict", files={"file": photo})
        self.statuses[reply.status_code] += 1
        if reply.status_code != httpx.codes.OK:
            return
        body = reply.json()
        self.predictions[body["id"]] = body["stored"]
        if body["stored"] and len(self.predictions) % 2:
            judged = {"true_label": "real", "reviewer": "ana"}
            if (
                client.post(f"/predictions/{body['id']}/feedback", json=judged).status_code
                == httpx.codes.CREATED
            ):
                self.feedback.append(body["id"])


def lost(url: str, load: Load) -> list[str]:
    """What was acknowledged and is not there: predictions, and feedback."""
    missing = []
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        for name in load.predictions:
            reply = client.get(f"/predictions/{name}")
            if reply.status_code != httpx.codes.OK:
                missing.append(f"prediction {name}: {reply.status_code}")
            elif name in load.feedback and not reply.json()["feedback"]:
                missing.append(f"feedback on {name}")
    return missing


def metric(url: str, name: str) -> float:
    """The value of a metric without labels."""
    page = httpx.get(f"{url}/metrics", timeout=120, trust_env=False).text
    (line,) = [line for line in page.splitlines() if line.startswith(f"detector_{name} ")]
    return float(line.split()[1])
