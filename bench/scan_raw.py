"""The raw limit of a scan: processes that decode, cut and judge photos from memory, and write nothing.

`python -m bench.scan_raw MODEL SECONDS PROCESSES FOLDER` prints photos a second of all of them as JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter

from src.imaging.decode import decode
from src.imaging.views import make_views
from src.inference.session import Session


def loop(model: str, files: list[bytes], seconds: float, together: Barrier) -> tuple[int, float]:
    """Judge photos, one thread, for so many seconds from when all processes are ready.

    Returns:
        Photos and seconds.
    """
    session = Session.load(Path(model), 1)
    card = session.card

    def judge(data: bytes) -> None:
        image = decode(data, draft_side=card.views.max_side)
        views = make_views(image, card.views, card.mean, card.std)
        for whole in views.global_views:
            session.run(whole)
        if views.crops.size:
            session.run(views.crops)

    judge(files[0])
    together.wait()
    start, done = perf_counter(), 0
    while perf_counter() - start < seconds:
        judge(files[done % len(files)])
        done += 1
    return done, perf_counter() - start


def _work(model: str, folder: str, seconds: float, together: Barrier, answers: object) -> None:
    files = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
    answers.put(loop(model, files, seconds, together))  # type: ignore[attr-defined]


def measure(model: str, seconds: float, processes: int, folder: Path) -> float:
    """Photos a second of so many processes beside each other."""
    context = multiprocessing.get_context("spawn")
    together, answers = context.Barrier(processes), context.SimpleQueue()
    workers = [
        context.Process(target=_work, args=(model, str(folder), seconds, together, answers))
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    found: list[tuple[int, float]] = [answers.get() for _ in workers]
    for worker in workers:
        worker.join()
    return sum(done / took for done, took in found)


if __name__ == "__main__":
    _model, _seconds, _processes, _folder = sys.argv[1:]
    print(json.dumps(measure(_model, float(_seconds), int(_processes), Path(_folder))))
