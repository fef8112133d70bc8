"""A load generator in a process of its own: `python -m bench.load PLAN` prints what happened as JSON.

Closed loop: so many clients, each sends its next photo when the last is answered. Open loop: photos are sent
at random moments of a given rate, whatever the service does, and each latency counts from the moment at which
it was due (Tene, 2013: otherwise a stalled service would stall its own measurement: coordinated omission).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from tempfile import TemporaryFile
from time import perf_counter, process_time, time
from typing import IO

import aiohttp
import numpy as np

from bench.photos import procedural_photo
from bench.server import REPO

BOUNDARY = "a-boundary-that-no-photo-holds"
_PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a generator shall do.

    Attributes:
        url: Where to send.
        seconds: How long photos are sent; answers are waited for beyond that.
        clients: In a closed loop: how many send at once; 0 for an open loop.
        rate: In an open loop: photos per second.
        photos: Different photos that take turns.
        width: Of a photo, pixels; the height is three quarters of it.
        seed: Of the moments of an open loop.
        keep: Whether to return every latency.
    """

    url: str
    seconds: float
    clients: int = 0
    rate: float = 0.0
    photos: int = 8
    width: int = 1600
    seed: int = 0
    keep: bool = True


@dataclass
class Outcome:
    """What happened.

    Attributes:
        answers: Count of answers by status; `error:NAME` where there was none.
        latencies_ms: Of the answers of status 200, in order of their end.
        finished_in_time: Answers of status 200 that came while photos were still being sent.
        seconds: How long photos were sent.
        ended: When sending ended, by the system's clock; answers may have come later.
        lag_ms: How late an open loop's sends were, 99th percentile: what the generator itself adds.
        cpu_s: Processor time that the generator took.
    """

    answers: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    finished_in_time: int = 0
    seconds: float = 0.0
    ended: float = 0.0
    lag_ms: float = 0.0
    cpu_s: float = 0.0

    @property
    def sent(self) -> int:
        """Photos sent."""
        return sum(self.answers.values())

    @property
    def throughput(self) -> float:
        """Photos answered a second."""
        return self.finished_in_time / self.seconds

    def percentile(self, share: float) -> float:
        """A percentile of the latencies in ms; not a number when nothing was answered."""
        return float(np.percentile(self.latencies_ms, share)) if self.latencies_ms else float("nan")


def form_of(photo: bytes, name: str = "photo.jpg") -> bytes:
    """The multipart body that a browser would send, ready made so that sending costs little."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    return (head + "Content-Type: image/jpeg\r\n\r\n").encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


class Generator:
    """Sends by one plan and counts."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        height = plan.width * 3 // 4
        self._bodies = [form_of(procedural_photo(plan.width, height, seed=n)) for n in range(plan.photos)]
        self._outcome = Outcome()
        self._sends = 0
        self._begun = self._ends = 0.0

    async def run(self) -> Outcome:
        """Do what the plan says."""
        plan = self._plan
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
        connector = aiohttp.TCPConnector(limit=0, force_close=False)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
            cpu, self._begun = process_time(), perf_counter()
            self._ends = self._begun + plan.seconds
            if plan.clients:
                await asyncio.gather(*(self._send_on(session) for _ in range(plan.clients)))
            else:
                await self._send_by_clock(session)
        self._outcome.seconds = plan.seconds
        self._outcome.ended = time() - (perf_counter() - self._ends)
        self._outcome.cpu_s = process_time() - cpu
        return self._outcome

    async def _send_on(self, session: aiohttp.ClientSession) -> None:
        while (now := perf_counter()) < self._ends:
            await self._send(session, now)

    async def _send_by_clock(self, session: aiohttp.ClientSession) -> None:
        lags = []
        async with asyncio.TaskGroup() as group:
            async for due in self._moments():
                lags.append(perf_counter() - due)
                group.create_task(self._send(session, due))
        self._outcome.lag_ms = float(np.percentile(lags, 99)) * 1000 if lags else 0.0

    async def _moments(self) -> AsyncIterator[float]:
        """Yield at each moment of a Poisson process, or as soon after it as this process could."""
        rng = random.Random(self._plan.seed)  # noqa: S311 - nothing to guess
        due = self._begun
        while (due := due + rng.expovariate(self._plan.rate)) < self._ends:
            await asyncio.sleep(max(0.0, due - perf_counter()))
            yield due

    async def _send(self, session: aiohttp.ClientSession, due: float) -> None:
        body = self._bodies[self._sends % len(self._bodies)]
        self._sends += 1
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        try:
            async with session.post(f"{self._plan.url}/predict", data=body, headers=headers) as reply:
                await reply.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._outcome.answers[f"error:{type(error).__name__}"] += 1
            return
        self._outcome.answers[str(reply.status)] += 1
        if reply.status == 200:
            ended = perf_counter()
            self._outcome.finished_in_time += ended < self._ends
            if self._plan.keep:
                self._outcome.latencies_ms.append((ended - due) * 1000)


@dataclass(frozen=True)
class Running:
    """A generator at work.

    Attributes:
        process: Of its own.
        told: File that it writes its outcome to: a pipe that nobody reads yet would hold it up at the end.
    """

    process: subprocess.Popen[bytes]
    told: IO[bytes]


def start(plan: Plan) -> Running:
    """Start a generator in a process of its own; `finish` waits for it."""
    told = TemporaryFile()  # noqa: SIM115 - `finish` closes it
    command = [sys.executable, "-m", "bench.load", json.dumps(asdict(plan))]
    return Running(subprocess.Popen(command, cwd=REPO, stdout=told), told)


def finish(running: Running) -> Outcome:
    """Wait for a generator's outcome.

    Raises:
        RuntimeError: It failed.
    """
    code = running.process.wait()
    with running.told as told:
        if code:
            raise RuntimeError(f"the load generator ended with code {code}")
        told.seek(0)
        found = json.loads(told.read().splitlines()[-1])
    return Outcome(**found | {"answers": Counter(found["answers"])})


def drive(plan: Plan) -> Outcome:
    """Run a plan in a process of its own and wait for it."""
    return finish(start(plan))


def main() -> None:
    """Run the plan of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", help="the fields of Plan as JSON")
    plan = Plan(**json.loads(parser.parse_args().plan))
    print(json.dumps(vars(asyncio.run(Generator(plan).run()))))


if __name__ == "__main__":
    main()
