"""Starts the real service in a process of its own, waits until it answers, and stops it."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

REPO = Path(__file__).parents[1]


@dataclass(frozen=True)
class Server:
    """A running service: its process, its address, and the time from start to the first good /health."""

    process: subprocess.Popen[bytes]
    url: str
    seconds_to_ready: float


def free_port() -> int:
    """A loopback port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, process: subprocess.Popen[bytes], timeout: float) -> None:
    """Poll /health every 5 ms until it answers 200.

    Raises:
        RuntimeError: the process ended, or the time (seconds) is over.
    """
    deadline = time.perf_counter() + timeout
    with httpx.Client(base_url=url, timeout=5, trust_env=False) as client:
        while time.perf_counter() < deadline:
            if process.poll() is not None:
                raise RuntimeError(f"the service ended with code {process.returncode}")
            try:
                if client.get("/health").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            time.sleep(0.005)
    raise RuntimeError(f"the service was not ready after {timeout} s")


@contextmanager
def running(
    command: list[str],
    *,
    port: int,
    timeout: float = 60,
    log: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run `command` from the repository root until the block ends, then stop it by SIGTERM.

    Args:
        command: what to start; it must listen on `port` of the loopback address.
        port: as `free_port` gave it.
        timeout: seconds until it must be ready.
        log: where its output goes; nowhere by default.
        settings: environment variables beside those of this process.
    """
    with Path(log or os.devnull).open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=REPO,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(settings or {})},
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url, process, timeout)
            yield Server(process, url, time.perf_counter() - start)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def uvicorn_command(python: str, port: int) -> list[str]:
    """The command that `make serve` runs."""
    address = ["--host", "127.0.0.1", "--port", str(port)]
    return [python, "-m", "uvicorn", "src.inference.api:app", *address, "--no-proxy-headers"]
