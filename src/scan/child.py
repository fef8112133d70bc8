"""A worker process: judges shards that come by a pipe, one thread for the network, others for files and rows.

`python -m src.scan.child FD` is what `worker.Worker` runs. When the other end of the pipe goes, so does it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock, Thread
from time import perf_counter

from src.scan.job import Job
from src.scan.judging import Shards
from src.scan.messages import At, Done, Failed, Ready, Task
from src.scan.places import open_place
from src.scan.plan import read_shard
from src.scan.rows import Row, Tally, read_rows, to_parquet
from src.utils.errors import DetectorError, ScanError


class Child:
    """Works on one job.

    Args:
        job: What to do.
        connection: To whoever gives the shards.
    """

    def __init__(self, job: Job, connection: Connection) -> None:
        self._job = job
        self._connection = connection
        self._sending = Lock()
        self._place = open_place(job.dest)
        self._shards = Shards(job.detector(), job.manifests(), job.reader(), job.policy)

    def work(self) -> None:
        """Judge what comes until the process ends; rows are written while the next shard is judged."""
        tasks: SimpleQueue[Task] = SimpleQueue()
        Thread(target=self._receive, args=(tasks,), daemon=True).start()
        self._send(Ready())
        written: Future[None] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="write") as writer:
            while True:
                task = tasks.get()
                start = perf_counter()
                kept = self._kept(task.shard)
                rows = self._judge(task, kept)
                if written is not None:
                    written.result()  # one shard may wait for the disk, not many
                written = writer.submit(self._write, task, rows, perf_counter() - start, len(kept))

    def _kept(self, shard: int) -> dict[int, Row]:
        """Rows of an earlier call that stay as they are, by the number of the input."""
        if not self._job.retry:
            return {}
        try:
            with self._place.open(self._job.file(shard)) as file:
                return {number: row for number, row in enumerate(read_rows(file)) if not row.is_unread}
        except FileNotFoundError:
            return {}

    def _judge(self, task: Task, kept: Mapping[int, Row]) -> list[Row]:
        items = read_shard(self._place, self._job.plan, task.shard)

        def report(index: int) -> None:
            self._send(At(task.shard, index, sum(number < index for number in kept)))

        return self._shards.rows(items, report, task.alone, task.skip, kept)

    def _write(self, task: Task, rows: list[Row], seconds: float, kept: int) -> None:
        try:
            self._place.write(self._job.file(task.shard), to_parquet(rows, self._job.model_sha256))
        except DetectorError as error:
            self._send(Failed(error))
        except Exception as error:  # noqa: BLE001 - told to whoever runs this: no other process would fare better
            self._send(Failed(ScanError(f"rows cannot be written: {type(error).__name__}: {error}")))
        else:
            self._send(Done(task.shard, Tally.of(rows), seconds, kept))

    def _receive(self, tasks: SimpleQueue[Task]) -> None:
        try:
            while True:
                tasks.put(self._connection.recv())
        except (EOFError, ConnectionError):
            os._exit(0)  # nobody is there any more; a half-written file has no name yet

    def _send(self, message: object) -> None:
        with self._sending:
            try:
                self._connection.send(message)
            except ConnectionError:
                os._exit(0)


def main(descriptor: int) -> None:
    """Take a job from the pipe and work on it."""
    connection = Connection(descriptor)
    try:
        child = Child(connection.recv(), connection)
    except DetectorError as error:
        connection.send(Failed(error))
        return
    except EOFError:
        return
    try:
        child.work()
    except DetectorError as error:
        connection.send(Failed(error))


if __name__ == "__main__":
    main(int(sys.argv[1]))
