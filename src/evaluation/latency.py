"""Times the released detector on real photos: one thread, one photo at a time."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict
from rich.progress import track

from src.data.layout import locate
from src.evaluation.command import parser, run_command
from src.evaluation.selection import select, spread
from src.inference.detector import Detector
from src.utils.errors import DataError, ImageError

PHOTOS = 100
_WARM_UP = 3


class Latency(BaseModel):
    """Milliseconds from a photo's bytes to its verdict.

    Attributes:
        photos: How many were timed.
        threads: Of the network.
        median_ms: Of the whole line.
        p95_ms: The same; nineteen of twenty photos are faster.
        stages_ms: Medians of decoding, of cutting the views, of the network.
        cpu: Processor.
        cores: Cores of the machine; others may have been at work on them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: int
    threads: int
    median_ms: float
    p95_ms: float
    stages_ms: dict[str, float]
    cpu: str
    cores: int


def measure(detector: Detector, photos: Sequence[bytes], *, threads: int = 1) -> Latency:
    """Time `detect` on each photo; photos that cannot be used are left out.

    Args:
        detector: Loaded with `threads` threads.
        photos: Whole files.
        threads: As the detector was loaded.

    Raises:
        DataError: No photo can be used.
    """
    for photo in photos[:_WARM_UP]:
        detector.detect_batch([photo])
    timings: list[dict[str, float]] = []
    for photo in track(photos, description="latency"):
        try:
            timings.append(detector.detect(photo).timings_ms)
        except ImageError:
            continue
    if not timings:
        raise DataError("no photo to time the detector on")
    total = [timing["total"] for timing in timings]
    return Latency(
        photos=len(timings),
        threads=threads,
        median_ms=round(float(np.median(total)), 1),
        p95_ms=round(float(np.quantile(total, 0.95)), 1),
        stages_ms={
            stage: round(float(np.median([timing[stage] for timing in timings])), 1)
            for stage in ("decode", "views", "inference")
        },
        cpu=cpu_name(),
        cores=os.cpu_count() or 1,
    )


def cpu_name(info: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name where the system tells it, else its architecture."""
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main(argv: Sequence[str]) -> int:
    """Time the detector and write the JSON that the report takes up."""
    args = parser("src.evaluation.latency", __doc__)
    args.add_argument("--model", type=Path, default=Path("models/detector.onnx"))
    args.add_argument("--manifest", type=Path, default=Path("data/manifest.csv"))
    args.add_argument("--splits", type=Path, default=Path("data/processed/splits.csv"))
    args.add_argument("--raw", type=Path, default=Path("data/raw"))
    args.add_argument("--select", default="test")
    args.add_argument("--photos", type=int, default=PHOTOS)
    args.add_argument("--out", type=Path, default=Path("outputs/scores/latency.json"))
    options = args.parse_args(argv)
    selection = select(options.manifest, options.splits, options.select)
    paths = [locate(record, options.raw) for record in spread(selection.records, options.photos)]
    photos = [path.read_bytes() for path in paths if path is not None]
    latency = measure(Detector.from_file(options.model, threads=1), photos)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(latency.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    run_command(main)
