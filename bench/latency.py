"""Latency at half load: photos come at random moments at half the rate that the service can bear.

Each latency counts from the moment at which its photo was due, so that no wait is left out.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from bench.load import Plan, drive
from bench.machine import machine_facts
from bench.overhead import client_of
from bench.report import Figure, Report, write
from bench.server import REPO
from bench.service import serving

BAR = 3.0
SINGLE = 100


def single_ms(url: str, rounds: int = SINGLE) -> float:
    """Median milliseconds of one photo at a time on a kept connection."""
    with client_of(url) as send:
        return statistics.median(send() for _ in range(rounds))


def capacity(url: str, seconds: float, clients: int = 8, width: int = 1600) -> float:
    """Photos a second at saturation."""
    return drive(Plan(url=url, seconds=seconds, clients=clients, width=width)).throughput


def measure(
    python: str, model: str, *, seconds: float, load: float = 0.5, width: int = 1600, singles: int = SINGLE
) -> Report:
    """Find the capacity, then send at a share of it."""
    machine = machine_facts()
    with serving(python, model) as server:
        capacity(server.url, min(3.0, seconds), width=width)  # warm
        most = capacity(server.url, min(20.0, seconds), width=width)
        before = single_ms(server.url, singles)
        outcome = drive(Plan(url=server.url, seconds=seconds, rate=load * most, width=width))
        single = statistics.mean([before, single_ms(server.url, singles)])
    failed = outcome.sent - outcome.answers["200"]
    figures = [
        Figure("capacity", "photos a second at saturation", most, "photos/s"),
        Figure("single_ms", "one photo at a time, median", single, "ms"),
        Figure("p50_ms", "at half load, median", outcome.percentile(50), "ms"),
        Figure("p95_ms", "at half load, 95th percentile", outcome.percentile(95), "ms"),
        Figure("p99_ms", "at half load, 99th percentile", outcome.percentile(99), "ms"),
        Figure(
            "p99_to_single",
            "99th percentile to one photo at a time",
            outcome.percentile(99) / single,
            bar=BAR,
        ),
        Figure("failed", "photos not answered by 200", failed, bar=0),
        Figure("lag_ms", "lateness of the load generator, 99th percentile", outcome.lag_ms, "ms"),
        Figure(
            "client_cpu_ms",
            "its processor time, one photo",
            outcome.cpu_s * 1000 / max(1, outcome.sent),
            "ms",
        ),
    ]
    how = (
        f"{outcome.sent} JPEGs of {width} px in {seconds:g} s at random moments (Poisson), at {load:g} of "
        "the rate that a closed loop reached before; each latency counts from the moment at which the photo "
        "was due. One photo at a time is the mean of the medians before and after. The load generator is a "
        "process on the same cores."
    )
    details = {"answers": dict(outcome.answers), "rate": load * most, "latencies_ms": outcome.latencies_ms}
    return Report("Latency at half load", how, figures, machine, details)


def main() -> int:
    """Measure, write the report, and say by the exit code whether every bar was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment to measure")
    parser.add_argument("--model", default="models/detector.onnx")
    parser.add_argument("--seconds", type=float, default=120.0, help="at half load")
    parser.add_argument("--out", type=Path, default=REPO / "reports" / "bench")
    options = parser.parse_args()
    python = str(Path(options.python).absolute())
    return write(measure(python, options.model, seconds=options.seconds), options.out, "latency")


if __name__ == "__main__":
    sys.exit(main())
