"""The engine of one machine: a worker process a core, each with a thread here that gives it its shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Lock
from typing import Protocol

from src.scan.job import Job
from src.scan.messages import At, Done
from src.scan.worker import Worker

Listen = Callable[[At | Done], None]


class Engine(Protocol):
    """Judges shards."""

    def __call__(self, job: Job, shards: Iterator[int], workers: int, listen: Listen) -> None:
        """Judge them all."""
        ...


def run_local(job: Job, shards: Iterator[int], workers: int, listen: Listen) -> None:
    """Judge shards by so many processes, and leave none behind.

    Args:
        job: What to do.
        shards: Their numbers; taken when there is room, never ahead.
        workers: Processes.
        listen: Told how far each shard is and what is done, by one thread at a time.

    Raises:
        DetectorError: As `Worker.run`.
    """
    taking, telling = Lock(), Lock()

    def shared() -> Iterator[int]:
        while True:
            with taking:
                shard = next(shards, None)
            if shard is None:
                return
            yield shard

    def tell(message: At | Done) -> None:
        with telling:
            listen(message)

    def run(worker: Worker) -> None:
        for done in worker.run(shared()):
            tell(done)

    team = [Worker(job, tell) for _ in range(workers)]
    with ThreadPoolExecutor(workers, thread_name_prefix="worker") as pool:
        futures = [pool.submit(run, worker) for worker in team]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            for worker in team:
                worker.close()
    for worker in team:
        worker.bury()
    for future in futures:
        future.result()
