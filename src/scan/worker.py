"""Keeps one worker process busy, and replaces it when it dies: its shards are judged anew.

A photo at which a process died is judged by itself the next time, and becomes a row with an error if the
process dies there again: no photo can stop a scan.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from src.scan.job import Job
from src.scan.judging import CHUNK
from src.scan.messages import At, Done, Failed, Ready, Task
from src.utils.errors import ScanError

_IN_FLIGHT = 2
"""Shards that a process has been given: one that it judges, one that it can go on with at once."""
_STARTS = 5
"""Deaths in a row that no photo can be blamed for, with no shard done between them."""
_ROOT = Path(__file__).parents[2]


class Worker:
    """One process after another, one at a time.

    Args:
        job: What to do.
        listen: Told how far a shard is, as the process tells it.
    """

    def __init__(self, job: Job, listen: Callable[[At], None]) -> None:
        self._job = job
        self._listen = listen
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._closed = False
        self._fruitless = 0

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return None if self._process is None else self._process.pid

    def run(self, shards: Iterator[int]) -> Iterator[Done]:
        """Judge shards until there are none; they are taken from the iterator only when there is room.

        Args:
            shards: Numbers of shards; may be shared with other workers.

        Raises:
            ScanError: The destination cannot be written, or no process stays alive.
            DetectorError: No process can begin, as for a model that is not usable.
        """
        tasks: dict[int, Task] = {}
        while not self._closed:
            while len(tasks) < _IN_FLIGHT and (shard := next(shards, None)) is not None:
                tasks[shard] = Task(shard)
                self._give(tasks[shard])
            if not tasks:
                return
            last: At | None = None
            try:
                for message in self._messages():
                    if isinstance(message, At):
                        last = message
                        self._listen(message)
                    elif isinstance(message, Done):
                        del tasks[message.shard]
                        self._fruitless = 0
                        yield message
                        if (shard := next(shards, None)) is not None:
                            tasks[shard] = Task(shard)
                            self._give(tasks[shard])
                        if not tasks:
                            break
            except (EOFError, ConnectionError):
                self.bury()
                self._fruitless += last is None
                if last is not None and last.shard in tasks:
                    blamed = blame(tasks[last.shard], last.index)
                    self._fruitless += blamed == tasks[last.shard]
                    tasks[last.shard] = blamed
                for task in tasks.values():
                    self._give(task)

    def close(self) -> None:
        """End the process at once; what it has not finished is not written."""
        self._closed = True
        if self._process is not None:
            self._process.kill()

    def bury(self) -> None:
        """Wait for a process that has ended, or that `close` ends."""
        if self._process is not None:
            self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def _messages(self) -> Iterator[At | Done | Ready]:
        while self._connection is not None:
            message = self._connection.recv()
            if isinstance(message, Failed):
                raise message.error
            yield message

    def _give(self, task: Task) -> None:
        """Send a task, to a new process if there is none."""
        if self._connection is None and not self._closed:
            self._start()
        # A process that is gone is noticed where it is listened to.
        with suppress(ConnectionError):
            if self._connection is not None:
                self._connection.send(task)

    def _start(self) -> None:
        if self._fruitless > _STARTS:
            raise ScanError("worker processes die before they have judged a photo")
        ours, theirs = Pipe()
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "src.scan.child", str(theirs.fileno())],
            env=os.environ | {"PYTHONPATH": path, "MALLOC_ARENA_MAX": "2"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            process_group=0,  # Ctrl-C is for the one who gives the shards
        )
        theirs.close()
        self._connection = ours
        if self._closed:  # meanwhile
            self._process.kill()
        with suppress(ConnectionError):
            ours.send(self._job)


def blame(task: Task, index: int) -> Task:
    """The task again, after a process died when it had begun with the inputs from `index` on."""
    if index in task.alone:
        return replace(task, skip=task.skip | {index})
    return replace(task, alone=task.alone | set(range(index, index + CHUNK)))
