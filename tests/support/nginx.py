"""The committed balancer, deploy/nginx/replicas.conf, in a real nginx on loopback."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.server import free_port
from tests.support.patience import eventually
from tests.support.sockets import listens

CONFIG = Path(__file__).parents[2] / "deploy" / "nginx" / "replicas.conf"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def rendered(folder: Path, replicas: Sequence[str], port: int) -> str:
    """The committed file with this machine's addresses, as a whole configuration.

    Args:
        folder: For nginx's own files.
        replicas: Host and port of each; as many as the file has.
        port: Where it listens.
    """
    text, names = CONFIG.read_text(), iter(replicas)
    text, count = re.subn(r"server replica-\d:8000", lambda _: f"server {next(names)}", text)
    assert count == len(replicas)
    text, count = re.subn(r"listen 8000", f"listen 127.0.0.1:{port}", text)
    assert count == 1
    places = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in _TEMPORARY)
    head = f"user root; daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}"
    return f"{head} http {{ {places} access_log off;\n{text}\n}}"


@contextmanager
def balancer(folder: Path, replicas: Sequence[str]) -> Iterator[str]:
    """The base URL of an nginx before these replicas, gone afterwards."""
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(rendered(folder, replicas, port))
    command = ["nginx", "-c", str(config), "-p", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: process.poll() is not None or listens(port), "nginx does not listen")
        assert process.poll() is None, (folder / "error.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)
