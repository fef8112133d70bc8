"""What is checked inside each image: its user, its libraries, its command, its healthcheck, and an answer."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.deploy.images.buildah import Buildah
from tests.support.pictures import photo_bytes

PATIENCE_S = 240.0
UNWANTED = ("torch", "mlflow", "ray", "streamlit", "matplotlib", "sklearn")


@dataclass(frozen=True)
class Image:
    """An image of the project.

    Attributes:
        tag: Its name.
        port: What its command listens on.
        ready: Path that answers 200 when it works.
        limit_mb: Most that it may add to its base, in MB of 10^6 bytes.
        unwanted: Libraries that must not be in it.
        ask: Asks the running container something, given its URL; returns what goes into the report.
    """

    tag: str
    port: int
    ready: str
    ask: Callable[[str], dict[str, Any]]
    limit_mb: int | None = None
    unwanted: tuple[str, ...] = ()


def ask_for_a_verdict(url: str) -> dict[str, Any]:
    """Send a made-up photo to `/predict`."""
    reply = httpx.post(f"{url}/predict", files={"file": photo_bytes(7)}, timeout=60)
    verdict = reply.json()
    assert reply.status_code == 200, verdict
    assert verdict["label"] in ("real", "ai_generated"), verdict
    assert 0.0 <= verdict["probability"] <= 1.0, verdict
    return {name: verdict[name] for name in ("label", "probability", "model_version", "stored")}


def ask_for_the_page(url: str) -> dict[str, Any]:
    """Fetch the page's frame."""
    reply = httpx.get(url, timeout=30)
    assert reply.status_code == 200
    assert "streamlit" in reply.text.lower()
    return {"page_bytes": len(reply.content)}


IMAGES = {
    "serve": Image(
        "ai-product-detector:latest", 8000, "/readyz", ask_for_a_verdict, limit_mb=450, unwanted=UNWANTED
    ),
    "ui": Image(
        "ai-product-detector-ui:latest",
        8501,
        "/_stcore/health",
        ask_for_the_page,
        unwanted=("torch", "mlflow"),
    ),
}


def check(buildah: Buildah, image: Image, logs: Path) -> dict[str, Any]:
    """Run an image as it is meant to be run, and tell what was seen.

    Raises:
        AssertionError: It is not as promised.
    """
    config = buildah.config(image.tag)
    # Containers of this isolation share the machine's network: another port than the image's may be free.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [word.replace(str(image.port), str(port)) for word in config["Cmd"]]
    assert f"{image.port}/tcp" in config["ExposedPorts"]
    assert any("0.0.0.0" in word for word in command), "unreachable from outside its container"
    probe_words = [word.replace(str(image.port), str(port)) for word in config["Healthcheck"]["Test"][1:]]

    with buildah.container(image.tag) as (container, root):
        code, user = buildah.exits(container, "id", "-u")
        assert (code, user.strip()) == (0, "10001"), user
        for library in image.unwanted:
            assert buildah.exits(container, "python", "-c", f"import {library}")[0] != 0, library
        assert buildah.exits(container, *probe_words)[0] != 0, "the healthcheck passes although nothing runs"
        before = _written(root)
        log = logs / f"{image.tag.partition(':')[0]}.log"
        with buildah.running(container, command, log) as process:
            ready_s = _wait(f"http://127.0.0.1:{port}{image.ready}", process, log)
            answer = image.ask(f"http://127.0.0.1:{port}")
            code, said = buildah.exits(container, *probe_words)
            assert code == 0, said
        stray = sorted(_written(root) - before)
        assert stray == [], "a read-only file system would break this"
        warned = "open_to_all" in log.read_text(errors="replace")
    return {"user": 10001, "ready_s": round(ready_s, 1), "answer": answer, "warns_without_keys": warned}


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> float:
    began = time.monotonic()
    while (waited := time.monotonic() - began) < PATIENCE_S:
        assert process.poll() is None, f"the container ended:\n{log.read_text(errors='replace')[-3000:]}"
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return waited
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"no answer in time:\n{log.read_text(errors='replace')[-3000:]}")


def _written(root: Path) -> set[str]:
    """Files outside the folders that a container may write to, with the moment of their last change."""
    call = ["find", str(root), "-xdev", "-type", "f", "-printf", "%P %T@\n"]
    listed = subprocess.run(call, capture_output=True, text=True, check=True).stdout.splitlines()
    free = re.compile(r"(app/var|tmp|proc|sys|dev|run|etc/(hosts|resolv\.conf))(/| )")
    return {line for line in listed if not free.match(line)}
