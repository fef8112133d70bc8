"""What HTTP, queue and store add to one photo: the service and the bare detector take turns, photo by photo.

Taking turns makes both see the same machine: whatever else runs on it slows both alike.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from rich.progress import track

from bench.load import BOUNDARY, form_of
from bench.machine import machine_facts
from bench.photos import procedural_photo
from bench.report import Figure, Report, write
from bench.server import REPO
from bench.service import cpu_s, serving, stage_means, stage_seconds

BAR_MS = 5.0
WARM_UP = 150
"""Rounds that are not counted: SQLite's log first grows to its full size, which makes its commits slow."""


@contextmanager
def bare_detector(python: str, model: str) -> Iterator[Callable[[], tuple[float, float]]]:
    """A detector in a process of its own; each call judges one photo and returns wall and processor ms."""
    command = ["env", "MALLOC_ARENA_MAX=2", python, "-m", "bench.in_process", model, "each"]
    process = subprocess.Popen(
        command, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    assert process.stdout is not None  # noqa: S101 - as above
    ask, told = process.stdin, process.stdout

    def judge() -> tuple[float, float]:
        ask.write("\n")
        ask.flush()
        wall, cpu = json.loads(told.readline())
        return wall, cpu

    try:
        if told.readline().strip() != "ready":
            raise RuntimeError("the detector did not start")
        yield judge
    finally:
        ask.close()
        process.wait(timeout=30)
        told.close()


@contextmanager
def client_of(url: str) -> Iterator[Callable[[], float]]:
    """A client on one kept connection; each call sends one photo and returns its ms."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    body = form_of(procedural_photo())
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

    def send() -> float:
        start = time.perf_counter()
        connection.request("POST", "/predict", body, headers)
        reply = connection.getresponse()
        content = reply.read()
        elapsed = (time.perf_counter() - start) * 1000
        if reply.status != http.client.OK:
            raise RuntimeError(f"the service answered {reply.status}: {content[:200]!r}")
        return elapsed

    try:
        yield send
    finally:
        connection.close()


def measure(python: str, model: str, rounds: int, warm_up: int = WARM_UP) -> Report:
    """Send so many photos one at a time, each followed by one to the bare detector."""
    machine = machine_facts()
    with (
        serving(python, model) as server,
        bare_detector(python, model) as judge,
        client_of(server.url) as send,
    ):
        for _ in range(warm_up):
            send()
            judge()
        pid = server.process.pid
        stages, cpu = stage_seconds(server.url), cpu_s(pid)
        pairs = [(send(), judge()) for _ in track(range(rounds), description="overhead")]
        service_cpu = (cpu_s(pid) - cpu) * 1000 / rounds
        means = stage_means(stages, stage_seconds(server.url))
    http_ms, bare_ms = [pair[0] for pair in pairs], [pair[1][0] for pair in pairs]
    bare_cpu = statistics.mean(pair[1][1] for pair in pairs)
    overhead = statistics.median(http_ms) - statistics.median(bare_ms)
    figures = [
        Figure("http_p50_ms", "one photo through the service, median", statistics.median(http_ms), "ms"),
        Figure(
            "bare_p50_ms", "one photo through the bare detector, median", statistics.median(bare_ms), "ms"
        ),
        Figure("overhead_ms", "difference of the medians", overhead, "ms", BAR_MS),
        Figure(
            "paired_overhead_ms",
            "median of the differences of neighbours",
            statistics.median(a - b for a, b in zip(http_ms, bare_ms, strict=True)),
            "ms",
        ),
        Figure(
            "undisturbed_ms",
            "difference of the 10th percentiles: what is left when nothing disturbs",
            float(np.percentile(http_ms, 10) - np.percentile(bare_ms, 10)),
            "ms",
        ),
        Figure("service_cpu_ms", "processor time of the service, one photo", service_cpu, "ms"),
        Figure("bare_cpu_ms", "processor time of the bare detector, one photo", bare_cpu, "ms"),
        *(
            Figure(f"stage_{name}_ms", f"the service's stage `{name}`, mean", ms, "ms")
            for name, ms in means.items()
        ),
    ]
    how = (
        f"{rounds} rounds; in each, one 1600 × 1200 JPEG goes through the service (HTTP, queue, durable "
        "SQLite store) on a kept connection, and then through `Detector.detect` in another process, both "
        "with the same threads. `provenance` runs beside `decode`."
    )
    raw = {"http_ms": [round(v, 3) for v in http_ms], "bare_ms": [round(v, 3) for v in bare_ms]}
    return Report("Overhead of HTTP, queue and store", how, figures, machine, {"rounds": rounds, **raw})


def main() -> int:
    """Measure, write the report, and say by the exit code whether the bar was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment to measure")
    parser.add_argument("--model", default="models/detector.onnx")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--out", type=Path, default=REPO / "reports" / "bench")
    options = parser.parse_args()
    python = str(Path(options.python).absolute())
    return write(measure(python, options.model, options.rounds), options.out, "overhead")


if __name__ == "__main__":
    sys.exit(main())
