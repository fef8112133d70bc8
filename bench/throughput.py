"""Throughput at saturation: the service, the raw limit of its machine, and a usual server of eager torch.

The three take turns in each round; ratios are taken within a round, and their medians are judged.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import track

from bench.load import Outcome, Plan, drive
from bench.machine import machine_facts
from bench.report import Figure, Report, told, write
from bench.server import REPO, Server, free_port, running
from bench.service import cpu_s, memory_mb, serving

PEERS = ("def", "async")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to measure.

    Attributes:
        python: Interpreter of the service's environment.
        peer_python: Interpreter of an environment with torch and timm.
        model: Path of the model file.
        rounds: How often all take their turn.
        seconds: Of each turn.
        clients: That send at once.
        photos: Different ones that take turns.
        width: Of a photo, pixels.
    """

    python: str
    peer_python: str
    model: str
    rounds: int = 5
    seconds: float = 12.0
    clients: int = 8
    photos: int = 8
    width: int = 1600

    def plan(self, url: str, seconds: float | None = None) -> Plan:
        """A closed loop against a server."""
        return Plan(
            url=url,
            seconds=seconds or self.seconds,
            clients=self.clients,
            photos=self.photos,
            width=self.width,
        )


@contextmanager
def peer_serving(python: str, endpoint: str) -> Iterator[Server]:
    """Run the peer until the block ends."""
    port = free_port()
    command = [python, "-m", "uvicorn", "bench.peer.server:app", "--host", "127.0.0.1", "--port", str(port)]
    settings = {"PEER_ENDPOINT": endpoint}
    with running([*command, "--log-level", "warning"], port=port, timeout=180, settings=settings) as server:
        yield server


def raw_limit(options: Options, seconds: float) -> list[dict[str, Any]]:
    """What `bench.raw` finds, in a process of its own."""
    arguments = [options.model, str(seconds), str(options.photos), str(options.width)]
    command = ["env", "MALLOC_ARENA_MAX=2", options.python, "-m", "bench.raw", *arguments]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _only_answers(outcome: Outcome) -> Outcome:
    if set(outcome.answers) != {"200"}:
        raise RuntimeError(f"not every photo was answered: {dict(outcome.answers)}")
    return outcome


def measure(options: Options) -> Report:
    """Let raw limit, service and peers take turns."""
    machine = machine_facts()
    rounds: list[dict[str, float]] = []
    ways: list[dict[str, Any]] = []
    with ExitStack() as stack:
        service = stack.enter_context(serving(options.python, options.model))
        peers = {
            f"peer_{name}": stack.enter_context(peer_serving(options.peer_python, name)) for name in PEERS
        }
        servers = {"service": service} | peers
        for server in servers.values():
            _only_answers(drive(options.plan(server.url, min(3.0, options.seconds))))
        for _ in track(range(options.rounds), description="throughput"):
            ways += (found := raw_limit(options, options.seconds / 4))
            values = {"raw": max(way["throughput"] for way in found)}
            for name, server in servers.items():
                cpu = cpu_s(server.process.pid)
                outcome = _only_answers(drive(options.plan(server.url)))
                values[name] = outcome.throughput
                values[f"{name}_cpu_ms"] = (cpu_s(server.process.pid) - cpu) * 1000 / outcome.sent
                values[f"{name}_client_ms"] = outcome.cpu_s * 1000 / outcome.sent
            rounds.append(values)
        memory = {name: memory_mb(server.process.pid) for name, server in servers.items()}
    best = max(ways, key=lambda way: way["throughput"])
    return Report(
        "Throughput at saturation", _how(options, best), _figures(rounds, memory, ways), machine,
        {"options": told(options), "rounds": rounds, "memory_mb": memory, "raw_ways": ways},
    )  # fmt: skip


def _figures(
    rounds: list[dict[str, float]], memory: dict[str, float], ways: list[dict[str, Any]]
) -> list[Figure]:
    def middle(name: str) -> float:
        return statistics.median(values[name] for values in rounds)

    def better(values: dict[str, float]) -> float:
        return max(values[f"peer_{name}"] for name in PEERS)

    to_raw = statistics.median(values["service"] / values["raw"] for values in rounds)
    to_peer = statistics.median(values["service"] / better(values) for values in rounds)
    smaller = min(PEERS, key=lambda name: memory[f"peer_{name}"])
    peer_memory = memory[f"peer_{smaller}"]
    raw_cpu = min(way["cpu_ms"] for way in ways)
    return [
        Figure("raw", "raw limit: decode, views and ONNX Runtime, no HTTP", middle("raw"), "photos/s"),
        Figure("service", "the service", middle("service"), "photos/s"),
        Figure("peer_def", "peer, `def` endpoint", middle("peer_def"), "photos/s"),
        Figure("peer_async", "peer, `async def` endpoint", middle("peer_async"), "photos/s"),
        Figure("service_to_raw", "service to raw limit", to_raw, bar=0.85, sense="least"),
        Figure("service_to_peer", "service to the quicker peer", to_peer, bar=3.0, sense="least"),
        Figure("service_mb", "memory of the service after the load", memory["service"], "MB"),
        Figure("peer_mb", f"memory of the smaller peer (`{smaller}`) after the load", peer_memory, "MB"),
        Figure(
            "memory_ratio",
            "memory of the service to this peer's",
            memory["service"] / peer_memory,
            bar=1 / 3,
        ),
        Figure("raw_cpu_ms", "processor time of one photo, raw", raw_cpu, "ms"),
        Figure("service_cpu_ms", "processor time of one photo, service", middle("service_cpu_ms"), "ms"),
        Figure(
            "client_cpu_ms", "processor time of one photo, load generator", middle("service_client_ms"), "ms"
        ),
        Figure(
            "peer_cpu_ms", "processor time of one photo, peer with `def`", middle("peer_def_cpu_ms"), "ms"
        ),
    ]


def _how(options: Options, best: dict[str, Any]) -> str:
    return (
        f"{options.rounds} rounds, in each of which raw limit, service and both kinds of the peer take "
        f"turns of {options.seconds:g} s; {options.clients} clients in a closed loop send {options.photos} "
        f"different JPEGs of {options.width} px. The load generator is a process on the same cores; its "
        "processor time stands below and is not taken off. The raw limit is the best of all tried ways to "
        f"use the cores, here {best['loops']} loops beside each other with batches of {best['batch']} and "
        f"{best['threads']} threads for one inference. The peer is `bench/peer/server.py`: eager torch, the "
        "same architecture and views, no store, no queue, no metadata."
    )


def main() -> int:
    """Measure, write the report, and say by the exit code whether every bar was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment to measure")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter with torch and timm")
    parser.add_argument("--model", default="models/detector.onnx")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each turn")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--out", type=Path, default=REPO / "reports" / "bench")
    found = parser.parse_args()
    options = Options(
        python=str(Path(found.python).absolute()),
        peer_python=str(Path(found.peer_python).absolute()),
        model=found.model,
        rounds=found.rounds,
        seconds=found.seconds,
        clients=found.clients,
    )
    return write(measure(options), found.out, "throughput")


if __name__ == "__main__":
    sys.exit(main())
