"""Measures what a start costs, what the process weighs and how long a photo takes; writes reports/bench.

`python -m bench.serving --python .venv-serve/bin/python` times the slim environment from the development one.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
from rich.progress import track

from bench.machine import machine_facts
from bench.photos import procedural_photo
from bench.server import REPO, free_port, running, uvicorn_command

REQUESTS = 50
WARM_UP = 5
IMPORT_CODE = "import time; t = time.perf_counter(); import src.inference.api; print(time.perf_counter() - t)"


@dataclass(frozen=True)
class Figure:
    """One line of the report: what was measured, in which unit, and the most it may be (None: no bar)."""

    key: str
    title: str
    unit: str
    bar: float | None = None


@dataclass(frozen=True, kw_only=True)
class Result(Figure):
    """A figure with its values over the runs; `passed` is None where there is no bar."""

    median: float
    min: float
    max: float
    passed: bool | None


@dataclass(frozen=True)
class Report:
    """All figures, and what they were measured on."""

    runs: int
    model: str
    machine: dict[str, str | float]
    figures: list[Result]


FIGURES = (
    Figure("import_s", "import of the serving app", "s", 1.0),
    Figure("ready_s", "process start to ready", "s", 2.0),
    Figure("memory_mb", f"resident memory after {REQUESTS} photos", "MB", 350.0),
    Figure("http_p50_ms", "one photo through HTTP, median", "ms"),
    Figure("http_p95_ms", "one photo through HTTP, 95th percentile", "ms"),
    Figure("in_process_p50_ms", "one photo in process, median", "ms"),
    Figure("in_process_p95_ms", "one photo in process, 95th percentile", "ms"),
)


def _output_of(command: list[str]) -> str:
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def measure_once(python: str, model: str) -> dict[str, float]:
    """One run of everything, each part in a fresh process.

    Args:
        python: interpreter of the environment to measure.
        model: path of the model file.

    Returns:
        A value for each key of `FIGURES`.
    """
    import_s = float(_output_of([python, "-c", IMPORT_CODE]))
    port = free_port()
    photo = procedural_photo()
    # The photo is the same each time: without this, all but the first answer would come from the cache.
    settings = {
        "DETECTOR_MODEL_PATH": model,
        "DETECTOR_LOG_LEVEL": "warning",
        "DETECTOR_CACHE_ENTRIES": "0",
        "MALLOC_ARENA_MAX": "2",  # as `make serve` and the image set it
    }
    with running(uvicorn_command(python, port), port=port, settings=settings) as server:
        http = _time_requests(server.url, photo)
        memory = psutil.Process(server.process.pid).memory_info().rss / 2**20
        ready_s = server.seconds_to_ready
    inside = json.loads(_output_of([python, "-m", "bench.in_process", model, str(REQUESTS)]))
    return {
        "import_s": import_s,
        "ready_s": ready_s,
        "memory_mb": memory,
        "http_p50_ms": float(np.percentile(http, 50)),
        "http_p95_ms": float(np.percentile(http, 95)),
        "in_process_p50_ms": float(np.percentile(inside, 50)),
        "in_process_p95_ms": float(np.percentile(inside, 95)),
    }


def _time_requests(url: str, photo: bytes) -> list[float]:
    timings = []
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        for number in range(WARM_UP + REQUESTS):
            start = time.perf_counter()
            client.post("/predict", files={"file": ("photo.jpg", photo, "image/jpeg")}).raise_for_status()
            if number >= WARM_UP:
                timings.append((time.perf_counter() - start) * 1000)
    return timings


def summarize(runs: Sequence[dict[str, float]], machine: dict[str, str | float], model: str) -> Report:
    """Medians over the runs beside the bars."""
    results = []
    for figure in FIGURES:
        values = [run[figure.key] for run in runs]
        median = statistics.median(values)
        results.append(
            Result(
                **asdict(figure),
                median=round(median, 3),
                min=round(min(values), 3),
                max=round(max(values), 3),
                passed=None if figure.bar is None else median <= figure.bar,
            )
        )
    return Report(len(runs), Path(model).name, machine, results)


def to_markdown(report: Report) -> str:
    """The report as a page."""
    lines = [
        "# Serving: start, memory, latency",
        "",
        f"`make bench`; medians over {report.runs} runs, each in fresh processes; model `{report.model}`;",
        "one 1600 × 1200 JPEG at a time.",
        "",
        "| figure | median | min | max | bar | |",
        "|---|---:|---:|---:|---:|---|",
    ]
    verdicts = {None: "", True: "pass", False: "**FAIL**"}
    for figure in report.figures:
        bar = "" if figure.bar is None else f"≤ {figure.bar:g} {figure.unit}"
        lines.append(
            f"| {figure.title} | {figure.median:.4g} {figure.unit} | {figure.min:.4g} | "
            f"{figure.max:.4g} | {bar} | {verdicts[figure.passed]} |"
        )
    lines += [
        "",
        "Measured on: " + ", ".join(f"{key} {value}" for key, value in report.machine.items()) + ".",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, write both reports, and say by the exit code whether every bar was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment to measure")
    parser.add_argument("--model", default="models/detector.onnx")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=REPO / "reports" / "bench")
    options = parser.parse_args()
    machine = machine_facts()
    python = str(Path(options.python).absolute())
    runs = [measure_once(python, options.model) for _ in track(range(options.runs), description="serving")]
    report = summarize(runs, machine, options.model)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "serving.json").write_text(
        json.dumps(asdict(report) | {"each_run": runs}, indent=2) + "\n"
    )
    page = to_markdown(report)
    (options.out / "serving.md").write_text(page)
    print(page)
    return 0 if all(figure.passed is not False for figure in report.figures) else 1


if __name__ == "__main__":
    sys.exit(main())
