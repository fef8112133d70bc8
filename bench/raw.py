"""The raw limit: how many photos a second this machine can decode, cut and judge when nothing else is done.

`python -m bench.raw MODEL SECONDS PHOTOS` tries each way of using the cores and prints the best as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray

from bench.photos import procedural_photo
from src.imaging.decode import decode
from src.imaging.views import Views, make_views
from src.inference.session import Session
from src.utils.cores import usable_cores

BATCHES = (1, 2, 4, 8)


@dataclass(frozen=True)
class Limit:
    """One way of using the cores, and what it gave.

    Attributes:
        batch: Photos in one call of the runtime.
        loops: Loops of decode, views and inference that run beside each other.
        threads: Threads of one inference.
        throughput: Photos a second.
        cpu_ms: Processor time of one photo.
    """

    batch: int
    loops: int
    threads: int
    throughput: float
    cpu_ms: float


def ways(cores: int) -> list[tuple[int, int, int]]:
    """Batch, loops and threads to try: one loop for each core with one thread, or fewer with all cores."""
    return [(batch, loops, threads) for batch in BATCHES for loops, threads in {(cores, 1), (2, cores)}]


def measure(model: Path, seconds: float, photos: int, width: int = 1600) -> list[Limit]:
    """Try every way for so many seconds; all photos are of one size, so that views can share a batch."""
    files = [procedural_photo(width, width * 3 // 4, seed=seed) for seed in range(photos)]
    cores = usable_cores()
    return [_try(model, files, seconds, way) for way in sorted(ways(cores))]


def _try(model: Path, files: Sequence[bytes], seconds: float, way: tuple[int, int, int]) -> Limit:
    batch, loops, threads = way
    session = Session.load(model, threads)
    step = _step(session, files, batch)
    with ThreadPoolExecutor(loops) as pool:
        list(pool.map(step, range(loops)))  # warm
        start, cpu = perf_counter(), process_time()
        ends = start + seconds
        numbers = count()

        def loop(_: int) -> int:
            done = 0
            while perf_counter() < ends:
                done += step(next(numbers))
            return done

        done = sum(pool.map(loop, range(loops)))
        wall, used = perf_counter() - start, process_time() - cpu
    return Limit(batch, loops, threads, done / wall, used * 1000 / done)


def _step(session: Session, files: Sequence[bytes], batch: int) -> Callable[[int], int]:
    card = session.card

    def prepare(number: int) -> Views:
        image = decode(files[number % len(files)], draft_side=card.views.max_side)
        return make_views(image, card.views, card.mean, card.std)

    def step(number: int) -> int:
        views = [prepare(number * batch + i) for i in range(batch)]
        for together in zip(*(item.global_views for item in views), strict=True):
            session.run(_joined(together))
        if views[0].crops.size:
            session.run(_joined([item.crops for item in views]))
        return batch

    return step


def _joined(arrays: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def main() -> None:
    """Measure as the command line says."""
    model, seconds, photos = sys.argv[1:4]
    width = int(sys.argv[4]) if len(sys.argv) > 4 else 1600
    print(json.dumps([asdict(limit) for limit in measure(Path(model), float(seconds), int(photos), width)]))


if __name__ == "__main__":
    main()
