"""The service as benchmarks run it: as `make serve` does, a fresh store, no answers from the cache."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from bench.server import Server, free_port, running, uvicorn_command

STAGES = ("queue", "decode", "views", "inference", "provenance", "store")


@contextmanager
def serving(python: str, model: str, **settings: str) -> Iterator[Server]:
    """Run the service until the block ends.

    Args:
        python: Interpreter of the environment to measure.
        model: Path of the model file.
        **settings: `DETECTOR_*` variables beside those that a benchmark needs.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="detector-bench-") as folder:
        own = {
            "DETECTOR_MODEL_PATH": model,
            "DETECTOR_STORE_URL": f"sqlite:///{folder}/detector.db",
            "DETECTOR_SPOOL_DIR": f"{folder}/spool",
            # The photos take turns: without this, most answers would come from the cache.
            "DETECTOR_CACHE_ENTRIES": "0",
            "MALLOC_ARENA_MAX": "2",  # as `make serve` and the image set it
        }
        command = uvicorn_command(python, port)
        with running(command, port=port, settings=own | settings, log=Path(folder) / "log") as server:
            yield server


def memory_mb(pid: int) -> float:
    """Resident memory of a process and its children, in MB of 2^20 bytes."""
    root = psutil.Process(pid)
    return float(sum(part.memory_info().rss for part in (root, *root.children(recursive=True)))) / 2**20


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has taken."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def stage_seconds(url: str) -> dict[str, tuple[float, float]]:
    """What the service itself says of its stages: by name, seconds in all and number of photos."""
    page = httpx.get(f"{url}/metrics", trust_env=False).text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in page if line.startswith("detector_stage_seconds_"))

    def value(kind: str, stage: str) -> float:
        return float(values.get(f'detector_stage_seconds_{kind}{{stage="{stage}"}}', 0.0))

    return {stage: (value("sum", stage), value("count", stage)) for stage in STAGES}


def stage_means(
    before: Mapping[str, tuple[float, float]], after: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    """Mean milliseconds a photo spent in each stage between two looks."""
    return {
        stage: round(
            1000 * (after[stage][0] - before[stage][0]) / max(1.0, after[stage][1] - before[stage][1]), 3
        )
        for stage in STAGES
    }
