"""A real MLflow server of the tests' own on loopback, with its artifacts in a folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx

_START_S = 300.0


@contextmanager
def mlflow_server(folder: Path, backend: str) -> Iterator[str]:
    """The address of a server that is up, gone afterwards.

    Args:
        folder: For artifacts and its log.
        backend: Database, as SQLAlchemy names it.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", backend),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    with (folder / "server.log").open("wb") as log:
        # Its own session: the server starts workers, which must end with it.
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | quiet, start_new_session=True, cwd=folder
        )
        try:
            _wait(process, url, folder / "server.log")
            yield url
        finally:
            os.killpg(process.pid, 15)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    ends = monotonic() + _START_S
    while monotonic() < ends:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            sleep(0.2)
    raise AssertionError(log.read_text())
