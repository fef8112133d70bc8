"""Overload: photos come at a multiple of what the service can bear, for minutes; then the load ends.

Nothing but answers, refusals (429) and expired deadlines (504) may be seen, memory must stay where it was,
and the service must be itself again at once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.latency import capacity, single_ms
from bench.load import Outcome, Plan, finish, start
from bench.machine import machine_facts
from bench.overhead import client_of
from bench.report import Figure, Report, write
from bench.server import REPO
from bench.service import memory_mb, serving

ALLOWED = {"200", "429", "504"}
RECOVERY_S = 5.0
SWING = 5.0
_EVERY_S = 1.0
_HEALTHY = 2.0
"""A photo alone that takes at most so many times as long as before the load says that the load is over."""


@dataclass(frozen=True)
class Sample:
    """Resident memory at a moment, seconds after the load began."""

    seconds: float
    memory_mb: float


def watch(pid: int, process: subprocess.Popen[bytes], every_s: float = _EVERY_S) -> list[Sample]:
    """Sample a service's memory until a generator ends."""
    begun, samples = time.perf_counter(), []
    while process.poll() is None:
        samples.append(Sample(round(time.perf_counter() - begun, 2), round(memory_mb(pid), 2)))
        try:
            process.wait(every_s)
        except subprocess.TimeoutExpired:
            continue
    return samples


def swing_percent(samples: Sequence[Sample], settle_s: float) -> float:
    """Greatest distance from the middle of the range to its ends, in percent of the middle, once settled."""
    values = [sample.memory_mb for sample in samples if sample.seconds >= settle_s]
    if not values:
        return float("nan")
    low, high = min(values), max(values)
    return 100 * (high - low) / (high + low)


def recovery_s(url: str, healthy_ms: float, ended: float, patience_s: float = 60.0) -> float:
    """Seconds from the end of the load until a photo alone is answered as quickly as before.

    Args:
        url: Of the service.
        healthy_ms: What counts as quick.
        ended: When the load ended, by the system's clock.
        patience_s: Until then; infinite is returned if it has not come.
    """
    while time.time() - ended < patience_s:
        try:
            with client_of(url) as send:
                if send() <= healthy_ms:
                    return time.time() - ended
        except (RuntimeError, OSError):
            pass  # still refusing, which is what is measured here
        time.sleep(0.05)
    return float("inf")


def measure(
    python: str,
    model: str,
    *,
    minutes: float,
    factor: float = 3.0,
    deadline_s: float = 10.0,
    width: int = 1600,
) -> Report:
    """Overload the service for so many minutes."""
    machine = machine_facts()
    seconds = minutes * 60
    settle_s = min(60.0, seconds / 4)
    with serving(python, model, DETECTOR_DEADLINE_S=f"{deadline_s:g}") as server:
        capacity(server.url, min(3.0, seconds), width=width)  # warm
        most = capacity(server.url, min(20.0, seconds), width=width)
        single = single_ms(server.url, 30)
        pid = server.process.pid
        generator = start(Plan(url=server.url, seconds=seconds, rate=factor * most, width=width))
        samples = watch(pid, generator.process)
        outcome = finish(generator)
        recovered = recovery_s(server.url, _HEALTHY * single, outcome.ended)
        crashed = server.process.poll() is not None
    figures = _figures(
        outcome,
        samples,
        settle_s,
        deadline_s=deadline_s,
        recovered=recovered,
        most=most,
        single=single,
        crashed=crashed,
    )
    how = (
        f"{outcome.sent} JPEGs of {width} px in {minutes:g} minutes at random moments (Poisson), at "
        f"{factor:g} times the rate that a closed loop reached before; the deadline is {deadline_s:g} s. "
        "Latencies count from the moment at which the photo was due. Memory is sampled each second, "
        f"without the first {settle_s:g} s. Recovered is the service when a photo alone takes at most "
        f"{_HEALTHY:g} times as long as before the load. The load generator is a process on the same cores "
        "and takes its share of them."
    )
    details = {
        "answers": dict(outcome.answers),
        "rate": factor * most,
        "memory": [[sample.seconds, sample.memory_mb] for sample in samples],
    }
    return Report("Overload", how, figures, machine, details)


def _figures(
    outcome: Outcome,
    samples: Sequence[Sample],
    settle_s: float,
    *,
    deadline_s: float,
    recovered: float,
    most: float,
    single: float,
    crashed: bool,
) -> list[Figure]:
    odd = sum(count for status, count in outcome.answers.items() if status not in ALLOWED)
    lasting = [sample.memory_mb for sample in samples if sample.seconds >= settle_s] or [float("nan")]
    return [
        Figure("capacity", "photos a second at saturation", most, "photos/s"),
        Figure("single_ms", "one photo at a time, median", single, "ms"),
        Figure("answered", "photos a second answered under overload", outcome.throughput, "photos/s"),
        *(
            Figure(f"status_{name}", f"answers of status {name}", outcome.answers[name])
            for name in sorted(ALLOWED)
        ),
        Figure("odd", "any other outcome, a lost connection included", odd, bar=0),
        Figure("crashed", "the service ended", int(crashed), bar=0),
        Figure("p50_ms", "accepted photos, median", outcome.percentile(50), "ms"),
        Figure("p99_ms", "accepted photos, 99th percentile", outcome.percentile(99), "ms", deadline_s * 1000),
        Figure("memory_low_mb", "memory, least", min(lasting), "MB"),
        Figure("memory_high_mb", "memory, most", max(lasting), "MB"),
        Figure("memory_swing", "memory around its middle, ±", swing_percent(samples, settle_s), "%", SWING),
        Figure("recovery_s", "from the end of the load to normal", recovered, "s", RECOVERY_S),
        Figure("lag_ms", "lateness of the load generator, 99th percentile", outcome.lag_ms, "ms"),
        Figure(
            "client_cpu_ms",
            "its processor time, one photo",
            outcome.cpu_s * 1000 / max(1, outcome.sent),
            "ms",
        ),
    ]


def main() -> int:
    """Measure, write the report, and say by the exit code whether every bar was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment to measure")
    parser.add_argument("--model", default="models/detector.onnx")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--factor", type=float, default=3.0, help="times the capacity")
    parser.add_argument("--deadline", type=float, default=10.0, help="of the service, seconds")
    parser.add_argument("--out", type=Path, default=REPO / "reports" / "bench")
    options = parser.parse_args()
    report = measure(
        str(Path(options.python).absolute()),
        options.model,
        minutes=options.minutes,
        factor=options.factor,
        deadline_s=options.deadline,
    )
    return write(report, options.out, "overload")


if __name__ == "__main__":
    sys.exit(main())
