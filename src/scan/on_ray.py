"""The engine of many machines: Ray actors, each with a worker process of its own; shards outlive them.

Shards are given out here, two to an actor that is up. When an actor or its node dies, its shards go to others
and a new actor is asked for; until one can be had, the others go on. docs/adr/0009 says why not Ray Data.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import stat
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from src.scan.job import Job
from src.scan.local import Engine, Listen
from src.scan.messages import Done
from src.scan.worker import Worker
from src.utils.errors import ConfigError, DetectorError, ScanError

if TYPE_CHECKING:
    from src.inference.session import Device

_IN_FLIGHT = 2
_KNOCK_S = 10.0
_DEATHS = 8
"""Actors, for each that was asked for, that may die before any shard is done."""

_log = structlog.get_logger(__name__)


@contextmanager
def cluster(address: str | None) -> Iterator[tuple[Engine, int]]:
    """Join a cluster, or start one on this machine, until the block ends.

    Args:
        address: `host:port`, `auto` for the one of this machine, or None to start one.

    Yields:
        The engine, and the number of the cluster's cores.

    Raises:
        ConfigError: Ray is not installed, or there is no such cluster.
    """
    # Before the import: Ray asks nobody's leave to tell its makers how it is used.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = _library()
    _knock(address)
    joined: dict[str, Any] = {"include_dashboard": False} if address is None else {"address": address}
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **joined)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError("there is no Ray cluster at this address") from error
    try:
        yield run_ray, max(1, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        ray.shutdown()


def run_ray(job: Job, shards: Iterator[int], workers: int, listen: Listen) -> None:
    """Judge shards by so many actors of the cluster that this process has joined.

    Args:
        job: What to do; the model file travels to the nodes, the destination must be reachable from all.
        shards: Their numbers; taken when there is room, never ahead.
        workers: Actors, of one core each.
        listen: Told what is done.

    Raises:
        ConfigError: A GPU was asked for, and no node has one.
        DetectorError: As `Worker.run`.
    """
    _Crew(job, shards, workers, listen).work()


class Judge:
    """What an actor is: one worker process on its node."""

    def __init__(self, job: Job, model: bytes) -> None:
        self._worker = Worker(replace(job, model=_unpack(model, job.model_sha256)), lambda _: None)

    def ready(self) -> None:
        """Answer once the actor is up."""

    def judge(self, shard: int) -> Done:
        """Judge a shard, its file durable when this returns."""
        (done,) = self._worker.run(iter([shard]))
        return done


class _Crew:
    """Actors and what they have been given."""

    def __init__(self, job: Job, shards: Iterator[int], workers: int, listen: Listen) -> None:
        self._ray = _library()
        gpu = gpu_share(job.device, self._ray.cluster_resources().get("GPU", 0.0), workers)
        self._kind = self._ray.remote(num_cpus=1, num_gpus=gpu, max_restarts=0)(Judge)
        self._job = job
        self._model = self._ray.put(job.model.read_bytes())
        self._shards = shards
        self._again: deque[int] = deque()
        self._listen = listen
        self._coming: dict[Any, Any] = {}
        self._given: dict[Any, tuple[Any, int]] = {}
        self._deaths = 0
        self._most = _DEATHS * workers
        for _ in range(workers):
            self._hire()

    def work(self) -> None:
        """Go on until every shard is done."""
        first = self._next()
        if first is not None:
            self._again.append(first)
        while self._given or self._again:
            (ref,), _ = self._ray.wait([*self._given, *self._coming], num_returns=1)
            if ref in self._coming:
                self._arrived(ref)
            else:
                self._answered(ref)

    def _hire(self) -> None:
        actor = self._kind.remote(self._job, self._model)
        self._coming[actor.ready.remote()] = actor

    def _arrived(self, ref: Any) -> None:  # noqa: ANN401 - Ray's references have no public type
        actor = self._coming.pop(ref)
        try:
            self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self._lost(error)
            return
        for _ in range(_IN_FLIGHT):
            self._give(actor)

    def _answered(self, ref: Any) -> None:  # noqa: ANN401 - as above
        actor, shard = self._given.pop(ref)
        try:
            done = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, DetectorError):
                raise error.cause from error
            raise
        except self._ray.exceptions.RayError as error:
            self._again.append(shard)
            others = [other for other, (who, _) in self._given.items() if who is actor]
            self._again.extend(self._given.pop(other)[1] for other in others)
            self._lost(error)
            return
        self._deaths = 0
        self._listen(done)
        self._give(actor)

    def _lost(self, error: Exception) -> None:
        self._deaths += 1
        _log.warning("scan_actor_lost", error=type(error).__name__)
        if self._deaths > self._most:
            raise ScanError("actors die before a shard is done") from error
        self._hire()

    def _give(self, actor: Any) -> None:  # noqa: ANN401 - as above
        shard = self._next()
        if shard is not None:
            self._given[actor.judge.remote(shard)] = (actor, shard)

    def _next(self) -> int | None:
        return self._again.popleft() if self._again else next(self._shards, None)


def gpu_share(device: Device, gpus: float, workers: int) -> float:
    """What each actor asks for of a GPU, so that all find room: one core decodes too slowly to fill one.

    With `auto` nothing is asked for: an actor takes the GPU of its node if it has one.

    Raises:
        ConfigError: A GPU was asked for, and no node has one.
    """
    if device != "cuda":
        return 0.0
    if gpus < 1:
        raise ConfigError("device cuda: no node of the cluster has a GPU")
    return math.floor(10_000 / math.ceil(workers / gpus)) / 10_000


def _knock(address: str | None) -> None:
    """Refuse an address that nobody listens at; Ray itself would try for minutes.

    Raises:
        ConfigError: Nobody does.
    """
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return  # `auto`, and what else only Ray understands
    try:
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()
    except OSError as error:
        raise ConfigError("there is no Ray cluster at this address") from error


def _library() -> Any:  # noqa: ANN401 - its types are in part wrong
    try:
        import ray  # noqa: PLC0415 - an extra, and heavy
    except ImportError as error:
        message = "--engine ray needs the extra: pip install '.[scan]'"
        raise ConfigError(message) from error
    return ray


def _unpack(model: bytes, digest: str) -> Path:
    """Put the model where this user's actors on this node find it; who reads it checks its digest.

    Raises:
        ScanError: Somebody else could change what lies there, or it cannot be written.
    """
    folder = Path(tempfile.gettempdir()) / f"detector-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
            raise ScanError(f"{folder} must be a folder that only this user may use")
        path = folder / f"{digest}.onnx"
        if not path.exists() or path.stat().st_size != len(model):
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                beside = Path(file.name)
                try:
                    file.write(model)
                    file.flush()
                    beside.replace(path)
                except BaseException:
                    beside.unlink(missing_ok=True)
                    raise
    except OSError as error:
        raise ScanError(f"the model cannot be put on a node: {error.strerror}") from error
    return path
