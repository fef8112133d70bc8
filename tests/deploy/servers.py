"""Starts Debian's monitoring servers on free ports of this machine, and stops them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.monitoring import PROMETHEUS

PATIENCE_S = 60.0


def program(*names: str) -> str:
    """Where a program is, under the first of its names that is installed; otherwise the test is skipped."""
    found = next((place for name in names if (place := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"needs {names[0]}")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(what: str, check: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Poll until `check` returns something true, and return it."""
    give_up = time.monotonic() + patience_s
    while not (found := check()):
        assert time.monotonic() < give_up, f"{what} within {patience_s:.0f} s"
        time.sleep(0.1)
    return found


@contextmanager
def serving(command: list[str], ready: str, log: Path) -> Iterator[None]:
    """Run a server while a block runs; `ready` is a URL that answers 200 when it works."""

    def answers() -> bool:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            return httpx.get(ready, timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            until(f"{command[0]} answers", answers)
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


@contextmanager
def prometheus(folder: Path, targets: dict[str, str], alertmanager: str) -> Iterator[str]:
    """Run the committed configuration with other addresses and every second instead of every fifteenth.

    Args:
        folder: For its files.
        targets: Address by job; the job `prometheus` is added.
        alertmanager: Address of Alertmanager; need not answer.

    Yields:
        Its base URL.
    """
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    port = free_port()
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(PROMETHEUS / pattern) for pattern in config["rule_files"]]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
    places = targets | {"prometheus": f"127.0.0.1:{port}", "alertmanager": alertmanager}
    for job in config["scrape_configs"]:
        job["static_configs"][0]["targets"] = [places[job["job_name"]]]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    command = [
        program("prometheus"),
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with serving(command, f"http://127.0.0.1:{port}/-/ready", folder / "prometheus.log"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def alertmanager(folder: Path, config: str) -> Iterator[str]:
    """Run Alertmanager with a configuration; yields its address, host and port."""
    path, port = folder / "alertmanager.yml", free_port()
    path.write_text(config)
    command = [
        program("prometheus-alertmanager", "alertmanager"),
        f"--config.file={path}",
        f"--storage.path={folder / 'alerts'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with serving(command, f"http://127.0.0.1:{port}/-/ready", folder / "alertmanager.log"):
        yield f"127.0.0.1:{port}"
