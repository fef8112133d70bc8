"""Starts what an incident needs on free ports of this machine: the service, Prometheus, Alertmanager.

Rules and routes are the repository's own; only addresses and the pace of looking are changed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import httpx
import yaml

from src.utils.errors import ConfigError

REPO = Path(__file__).parents[2]
PROMETHEUS = REPO / "deploy" / "prometheus"
ALERTMANAGER = REPO / "deploy" / "alertmanager" / "alertmanager.yml"
_START_S = 180.0


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as an exit does, so that servers which run in it are stopped too."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def free_port() -> int:
    """A loopback port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def installed() -> bool:
    """Whether Prometheus and Alertmanager are on this machine."""
    return shutil.which("prometheus") is not None and _alertmanager() is not None


@contextmanager
def service(folder: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Run the service in a process of its own while the block runs; yields its base URL once it is ready.

    Args:
        folder: For its log.
        settings: Variables of its environment, `DETECTOR_` and all.

    Raises:
        ConfigError: It does not start; its log is told.
    """
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "src.inference.api:app"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--no-proxy-headers", "--log-level", "warning"]
    url = f"http://127.0.0.1:{port}"
    with _running(command, f"{url}/health", folder / "service.log", settings):
        yield url


@contextmanager
def alerting(folder: Path, target: str) -> Iterator[tuple[str, str]]:
    """Run Prometheus and Alertmanager on the service at `target` (host and port); yields their base URLs.

    Raises:
        ConfigError: One is not installed, or does not start.
    """
    manager = _alertmanager()
    prometheus = shutil.which("prometheus")
    if manager is None or prometheus is None:
        raise ConfigError("an incident needs prometheus and prometheus-alertmanager")
    place = f"127.0.0.1:{free_port()}"
    command = [manager, f"--config.file={ALERTMANAGER}", f"--storage.path={folder / 'alerts'}"]
    command += [f"--web.listen-address={place}", "--cluster.listen-address="]
    with _running(command, f"http://{place}/-/ready", folder / "alertmanager.log"):
        port = free_port()
        config = _prometheus_config(target, place, port)
        path = folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        command = [prometheus, f"--config.file={path}", f"--storage.tsdb.path={folder / 'tsdb'}"]
        command += [f"--web.listen-address=127.0.0.1:{port}"]
        url = f"http://127.0.0.1:{port}"
        with _running(command, f"{url}/-/ready", folder / "prometheus.log"):
            yield url, f"http://{place}"


def _prometheus_config(target: str, manager: str, port: int) -> dict[str, object]:
    """The committed configuration with other addresses and every second instead of every fifteenth."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(PROMETHEUS / pattern) for pattern in config["rule_files"]]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [manager]
    places = {"detector": target, "prometheus": f"127.0.0.1:{port}", "alertmanager": manager}
    for job in config["scrape_configs"]:
        job["static_configs"][0]["targets"] = [places[job["job_name"]]]
    found: dict[str, object] = config
    return found


def _alertmanager() -> str | None:
    return shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


@contextmanager
def _running(
    command: list[str], ready: str, log: Path, settings: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a server while a block runs; `ready` is a URL that answers 200 when it works."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - commands of this module
            command,
            cwd=REPO,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(settings or {})},
        )
        try:
            _wait(process, ready, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    give_up = time.monotonic() + _START_S
    with httpx.Client(timeout=5, trust_env=False) as client:
        while time.monotonic() < give_up:
            if process.poll() is not None:
                break
            try:
                if client.get(ready).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
            time.sleep(0.05)
    told = log.read_text(encoding="utf-8", errors="replace")[-800:]
    raise ConfigError(f"{Path(str(process.args[0])).name} does not start: {told}")  # type: ignore[index]
