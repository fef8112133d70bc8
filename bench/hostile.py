"""Ten thousand hostile uploads: no failure of the service, no long wait, no memory that stays taken."""

from __future__ import annotations

import argparse
import asyncio
import io
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import aiohttp
import httpx

from bench.hostile_inputs import MAKERS, Hostile, hostile
from bench.machine import machine_facts
from bench.overhead import client_of
from bench.report import Figure, Report, write
from bench.server import REPO
from bench.service import memory_mb, serving

HANG_S = 2.0
SWING = 5.0
_PATIENCE_S = 30.0


@dataclass
class Seen:
    """What the service answered.

    Attributes:
        statuses: Answers by kind and status; a connection that broke is `broken`.
        seconds: Of each answer, by kind.
        failures: Kind and number of inputs that met a 5xx or no answer.
        memory: Resident MB after each hundredth of the inputs, when nothing is in work.
        peak: Most resident MB after any upload.
    """

    statuses: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: list[tuple[str, int]] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    peak: float = 0.0

    def count(self, status: str) -> int:
        """Answers of a status, of all kinds."""
        return sum(counter[status] for counter in self.statuses.values())


async def attack(url: str, pid: int, number: int, seed: int, at_once: int) -> Seen:
    """Send so many inputs, a few at once; a hundred times, wait for all answers and look at the memory."""
    seen = Seen()
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:

        async def send(numbers: Iterator[int]) -> None:
            for count in numbers:
                upload = await asyncio.to_thread(hostile, seed + count)
                await _one(session, url, upload, seed + count, seen)
                seen.peak = max(seen.peak, memory_mb(pid))

        size = max(1, number // 100)
        for begin in range(0, number, size):
            numbers = iter(range(begin, min(begin + size, number)))
            await asyncio.gather(*(send(numbers) for _ in range(at_once)))
            seen.memory.append(memory_mb(pid))
    return seen


def growth_percent(memory: Sequence[float]) -> float:
    """By how much the median of the last fifth is above that of the second fifth, in percent."""
    fifth = max(1, len(memory) // 5)
    early, late = statistics.median(memory[fifth : 2 * fifth]), statistics.median(memory[-fifth:])
    return 100 * (late - early) / early


async def _one(session: aiohttp.ClientSession, url: str, upload: Hostile, number: int, seen: Seen) -> None:
    headers = {"Content-Type": upload.content_type, **dict(upload.headers)}
    start = perf_counter()
    try:
        async with session.post(f"{url}/predict", data=io.BytesIO(upload.body), headers=headers) as reply:
            await reply.read()
            status = str(reply.status)
    except (aiohttp.ClientError, TimeoutError, OSError):
        status = "broken"
    seen.seconds[upload.kind].append(perf_counter() - start)
    seen.statuses[upload.kind][status] += 1
    if status == "broken" or status >= "500":
        seen.failures.append((upload.kind, number))


def measure(python: str, model: str, *, number: int, seed: int = 0, at_once: int = 2) -> Report:
    """Attack a service and say how it bore it."""
    machine = machine_facts()
    with serving(python, model) as server:
        with client_of(server.url) as send:
            for _ in range(5):
                send()
        seen = asyncio.run(attack(server.url, server.process.pid, number, seed, at_once))
        healthy = httpx.get(f"{server.url}/readyz", trust_env=False).status_code == httpx.codes.OK
        with client_of(server.url) as send:
            send()
    times = [seconds for kind in seen.seconds.values() for seconds in kind]
    growth = growth_percent(seen.memory)
    figures = [
        Figure("inputs", "hostile inputs", len(times)),
        Figure("failures", "answers of 5xx, and none at all", len(seen.failures), bar=0),
        Figure("slowest_s", "the longest wait", max(times), "s", HANG_S),
        Figure("median_ms", "the median wait", statistics.median(times) * 1000, "ms"),
        Figure(
            "accepted", "answered by 200: what is odd about them is none of the pixels", seen.count("200")
        ),
        Figure("memory_low_mb", "memory between uploads, least", min(seen.memory), "MB"),
        Figure("memory_high_mb", "memory between uploads, most", max(seen.memory), "MB"),
        Figure("memory_peak_mb", "memory right after an upload, others in work, most", seen.peak, "MB"),
        Figure(
            "memory_growth", "memory between uploads, growth from early to late, ±", abs(growth), "%", SWING
        ),
        Figure("ready_after", "ready afterwards, and answers a photo", int(healthy), bar=1, sense="least"),
    ]
    kinds = {kind: dict(sorted(counts.items())) for kind, counts in sorted(seen.statuses.items())}
    slowest = {kind: round(max(seconds), 3) for kind, seconds in sorted(seen.seconds.items())}
    table = "; ".join(
        f"{kind} " + "/".join(f"{n} × {status}" for status, n in counts.items())
        for kind, counts in kinds.items()
    )
    how = (
        f"{number} uploads of {len(MAKERS)} kinds made by seed {seed}, {at_once} at a time. After each "
        "hundredth all answers are waited for and memory is looked at; growth is that of its median from the "
        "second fifth to the last, because each decoder meets its first in the first. Answers by kind: "
        f"{table}."
    )
    details = {
        "kinds": kinds,
        "slowest_s": slowest,
        "failures": seen.failures,
        "memory_mb": [round(value, 1) for value in seen.memory],
    }
    return Report("Hostile uploads", how, figures, machine, details)


def main() -> int:
    """Measure, write the report, and say by the exit code whether every bar was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment to measure")
    parser.add_argument("--model", default="models/detector.onnx")
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=REPO / "reports" / "bench")
    options = parser.parse_args()
    python = str(Path(options.python).absolute())
    report = measure(python, options.model, number=options.number, seed=options.seed)
    return write(report, options.out, "hostile")


if __name__ == "__main__":
    sys.exit(main())
