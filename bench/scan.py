"""`detector scan` against its machine's raw limit, by one worker and by all, on Ray, and its memory.

Photos are procedural; a catalogue of any size is made of a few hundred files and links to them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil
from rich.progress import track

from bench.hostile import growth_percent
from bench.machine import machine_facts
from bench.photos import procedural_photo
from bench.report import Figure, Report, told, write
from bench.server import REPO
from src.scan.places import Folder
from src.scan.plan import write_plan
from src.scan.sources import list_source
from src.utils.cores import usable_cores

RAW_BAR, LINEAR_BAR, RAY_BAR, GROWTH_BAR = 0.9, 1.8, 15.0, 5.0
_LOOK_S = 0.25


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to measure.

    Attributes:
        python: Interpreter of an environment with the extra `scan`.
        model: Path of the model file.
        light_model: Path of a model that costs next to nothing, for memory; the same by default.
        rounds: How often raw limit and scans take turns.
        photos: Of a scan in a round.
        ray_photos: Of the scans with and without Ray; 0 measures no Ray.
        memory_photos: Of the scan whose memory is watched.
        different: Files that a catalogue is made of.
        width: Of a photo, pixels; the light model's are a quarter as wide.
        raw_seconds: Of the raw limit in a round.
    """

    python: str
    model: str
    light_model: str | None = None
    rounds: int = 3
    photos: int = 3000
    ray_photos: int = 5000
    memory_photos: int = 20_000
    different: int = 200
    width: int = 900
    raw_seconds: float = 15.0


def make_files(folder: Path, number: int, width: int) -> Path:
    """So many different JPEGs."""
    folder.mkdir(parents=True)
    for seed in range(number):
        (folder / f"{seed:05}.jpg").write_bytes(procedural_photo(width, width * 3 // 4, seed=seed))
    return folder


def make_catalogue(folder: Path, files: Path, number: int) -> Path:
    """So many names, in folders of a thousand, for few files."""
    kinds = sorted(files.iterdir())
    for index in range(number):
        path = folder / f"{index // 1000:04}" / f"{index:07}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(kinds[index % len(kinds)], path)
    return folder


def raw_limit(options: Options, processes: int, files: Path) -> float:
    """Photos a second without sources, rows and progress."""
    arguments = [options.model, str(options.raw_seconds), str(processes), str(files)]
    command = ["env", "MALLOC_ARENA_MAX=2", options.python, "-m", "bench.scan_raw", *arguments]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def run_scan(
    options: Options,
    source: Path,
    *arguments: str,
    model: str | None = None,
    memory: list[float] | None = None,
) -> dict[str, Any]:
    """One scan in a process of its own; `memory` gets the MB of it and its workers, now and then."""
    with tempfile.TemporaryDirectory() as folder:
        command = [options.python, "-m", "src.cli", "scan", str(source), "--out", folder]
        command += ["--model", model or options.model, *arguments]
        environment = os.environ | {"DETECTOR_LOG_LEVEL": "error", "RAY_USAGE_STATS_ENABLED": "0"}
        start = perf_counter()
        process = subprocess.Popen(command, cwd=REPO, env=environment, stdout=subprocess.PIPE, text=True)
        stop = threading.Event()
        watch = threading.Thread(
            target=_watch, args=(process.pid, stop, memory if memory is not None else [])
        )
        watch.start()
        out, _ = process.communicate()
        wall_s = perf_counter() - start
        stop.set()
        watch.join()
        if process.returncode:
            raise RuntimeError(f"the scan ended with {process.returncode}")
        sizes = [path.stat().st_size for path in Path(folder).glob("model_version=*/*.parquet")]
    summary: dict[str, Any] = json.loads(out)
    summary["wall_s"] = wall_s
    summary["row_bytes"] = sum(sizes) / summary["rows"]
    if summary["errors"]:
        raise RuntimeError(f"photos without a verdict: {summary['errors']}")
    return summary


def _watch(pid: int, stop: threading.Event, memory: list[float]) -> None:
    while not stop.wait(_LOOK_S):
        try:
            family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            memory.append(sum(each.memory_info().rss for each in family) / 2**20)
        except psutil.NoSuchProcess:
            continue


def measure(options: Options) -> Report:
    """Let raw limit and scans take turns, then compare Ray, then watch memory."""
    machine = machine_facts()
    cores = usable_cores()
    rounds: list[dict[str, float]] = []
    ray: dict[str, float] = {}
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        files = make_files(root / "files", options.different, options.width)
        source = make_catalogue(root / "catalogue", files, options.photos)
        half = make_catalogue(root / "half", files, max(1, options.photos // cores))
        for _ in track(range(options.rounds), description="scan"):
            values = {"raw_one": raw_limit(options, 1, files)}
            values["one"] = run_scan(options, half, "--workers", "1")["photos_per_s"]
            values["raw"] = raw_limit(options, cores, files)
            found = run_scan(options, source, "--workers", str(cores))
            rounds.append(values | {"all": found["photos_per_s"], "row_bytes": found["row_bytes"]})
        photo_bytes = statistics.mean(path.stat().st_size for path in files.iterdir())
        if options.ray_photos:
            many = make_catalogue(root / "many", files, options.ray_photos)
            for engine in ("local", "ray"):
                ray[engine] = run_scan(options, many, "--engine", engine, "--workers", str(cores))["wall_s"]
        small = make_files(root / "small", min(options.different, 50), max(64, options.width // 4))
        crowd = make_catalogue(root / "crowd", small, options.memory_photos)
        start = perf_counter()
        plan = write_plan(Folder(root / "plan"), list_source(str(crowd)), source="crowd", shard_size=256)
        listed = plan.items / (perf_counter() - start)
        model = options.light_model or options.model
        watched = run_scan(options, crowd, "--workers", str(cores), model=model, memory=memory)
    details = {
        "options": told(options),
        "cores": cores,
        "rounds": rounds,
        "ray_seconds": ray,
        "photo_bytes": round(photo_bytes),
        "listed_per_s": round(listed),
        "memory_mb": [round(value, 1) for value in memory],
        "memory_seconds": watched["seconds"],
    }
    return Report("Scan of a catalogue", _how(options, cores), _figures(options, rounds, ray, memory, cores),
                  machine, details)  # fmt: skip


def _figures(
    options: Options,
    rounds: Sequence[dict[str, float]],
    ray: dict[str, float],
    memory: list[float],
    cores: int,
) -> list[Figure]:
    def middle(name: str) -> float:
        return statistics.median(values[name] for values in rounds)

    to_raw = statistics.median(values["all"] / values["raw"] for values in rounds)
    linear = statistics.median(values["all"] / values["one"] for values in rounds)
    raw_linear = statistics.median(values["raw"] / values["raw_one"] for values in rounds)
    figures = [
        Figure("raw", f"raw limit, {cores} processes", middle("raw"), "photos/s"),
        Figure("scan", f"scan, {cores} workers, start and end included", middle("all"), "photos/s"),
        Figure("scan_to_raw", "scan to raw limit", to_raw, bar=RAW_BAR, sense="least"),
        Figure("one", "scan, one worker", middle("one"), "photos/s"),
        Figure("linear", f"scan, {cores} workers to one", linear, bar=LINEAR_BAR / 2 * cores, sense="least"),
        Figure("raw_linear", f"raw limit, {cores} processes to one: what the machine allows", raw_linear),
        Figure("per_core", "scan, for each core", middle("all") / cores, "photos/s"),
    ]
    if ray:
        overhead = 100 * (ray["ray"] / ray["local"] - 1)
        figures += [
            Figure(
                "local_s",
                f"{options.ray_photos} photos, engine `local`, from command to summary",
                ray["local"],
                "s",
            ),
            Figure(
                "ray_s",
                f"{options.ray_photos} photos, engine `ray`, likewise",
                ray["ray"],
                "s",
            ),
            Figure("ray_overhead", "overhead of Ray", overhead, "%", RAY_BAR),
        ]
    growth = growth_percent(memory)
    figures += [
        Figure("memory_photos", "photos while memory was watched", options.memory_photos),
        Figure("memory_high_mb", "memory of all processes, most", max(memory), "MB"),
        Figure("memory_growth", "memory, growth from early to late, ±", abs(growth), "%", GROWTH_BAR),
    ]
    return figures


def _how(options: Options, cores: int) -> str:
    light = (
        "the same model"
        if options.light_model is None
        else f"`{Path(options.light_model).name}`, a model of no cost"
    )
    return (
        f"{options.rounds} rounds in which the raw limit ({cores} processes that decode, cut and judge "
        f"photos from memory, one thread each, for {options.raw_seconds:g} s once all are ready) and scans "
        f"of {options.photos} photos take turns, one worker with a share of them. The photos are "
        f"{options.different} JPEGs of {options.width} px under many names. Ratios are taken within a round, "
        f"medians are judged. Memory: {options.memory_photos} photos a quarter as wide, {light}; growth "
        "is that of its median from the second fifth to the last, over driver and workers together (pages "
        "that they share count for each)."
    )


def main() -> int:
    """Measure, write the report, and say by the exit code whether every bar was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of an environment with ray")
    parser.add_argument("--model", default="models/detector.onnx")
    parser.add_argument(
        "--light-model", help="for memory; as the tests make it by default, `same` for --model"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=int, default=3000, help="of a scan in a round")
    parser.add_argument("--ray-photos", type=int, default=5000, help="0 measures no Ray")
    parser.add_argument("--memory-photos", type=int, default=20_000)
    parser.add_argument("--different", type=int, default=200, help="files that the catalogues are made of")
    parser.add_argument("--width", type=int, default=900)
    parser.add_argument("--raw-seconds", type=float, default=15.0)
    parser.add_argument("--out", type=Path, default=REPO / "reports" / "bench")
    found = vars(parser.parse_args())
    out = found.pop("out")
    python = str(Path(found.pop("python")).absolute())
    light = found.pop("light_model")
    with tempfile.TemporaryDirectory() as folder:
        if light is None:
            from tests.support.tiny_model import write_tiny_model  # noqa: PLC0415 - needs the library onnx

            light = str(write_tiny_model(Path(folder) / "tiny.onnx"))
        options = Options(python=python, light_model=None if light == "same" else light, **found)
        return write(measure(options), out, "scan")


if __name__ == "__main__":
    sys.exit(main())
