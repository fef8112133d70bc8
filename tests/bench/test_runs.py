"""Each benchmark, small: the tiny model, small photos, seconds instead of minutes."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from bench import hostile, latency, overhead, overload, raw, service
from bench.load import Generator, Outcome, Plan, drive, finish, start
from bench.report import Report
from src.utils.cores import usable_cores
from tests.support.tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp("bench") / "tiny.onnx"))


def here(plan: Plan) -> Outcome:
    """Run a plan in this process, which is quicker than to start one."""
    return asyncio.run(Generator(plan).run())


def values(report: Report) -> dict[str, float]:
    return {figure.key: figure.value for figure in report.figures}


def test_closed_and_open_loop_count_every_photo(model: str) -> None:
    with service.serving(sys.executable, model, DETECTOR_INTRA_OP_THREADS="1") as server:
        closed = drive(Plan(url=server.url, seconds=0.5, clients=2, photos=2, width=64))
        paced = here(Plan(url=server.url, seconds=1.0, rate=10.0, photos=2, width=64))
        gone = here(Plan(url=server.url + "/nowhere", seconds=0.2, clients=1, photos=1, width=64))
    assert set(closed.answers) == {"200"}
    assert closed.sent == closed.answers["200"] == len(closed.latencies_ms) >= closed.finished_in_time
    assert 1 <= paced.sent <= 30
    assert paced.cpu_s > 0
    assert set(gone.answers) == {"404"}
    refused = here(Plan(url=server.url, seconds=0.1, clients=1, photos=1, width=64))
    assert set(refused.answers) == {"error:ClientConnectorError"}


def test_overhead_tells_both_sides_and_their_difference(model: str) -> None:
    found = values(overhead.measure(sys.executable, model, rounds=3, warm_up=3))
    assert found["overhead_ms"] == pytest.approx(found["http_p50_ms"] - found["bare_p50_ms"])
    assert found["stage_store_ms"] > 0
    assert found["service_cpu_ms"] >= 0


@pytest.mark.slow
def test_latency_at_half_load(model: str) -> None:
    found = values(latency.measure(sys.executable, model, seconds=1.0, width=64, singles=5))
    assert found["failed"] == 0
    assert found["p99_ms"] >= found["p50_ms"] > 0
    assert found["p99_to_single"] == pytest.approx(found["p99_ms"] / found["single_ms"])


@pytest.mark.slow
def test_overload_sees_nothing_but_answers_refusals_and_deadlines(model: str) -> None:
    report = overload.measure(sys.executable, model, minutes=0.03, width=64)
    found = values(report)
    assert found["odd"] == found["crashed"] == 0
    assert found["status_200"] > 0
    assert found["recovery_s"] < 60
    assert report.details["answers"]["200"] == found["status_200"]


def test_an_outcome_larger_than_a_pipe_holds_no_generator_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = {"answers": {"200": 30_000}, "latencies_ms": [123.456] * 30_000}
    (tmp_path / "outcome.json").write_text(json.dumps(outcome))
    generator = tmp_path / "generator"
    generator.write_text(f"#!/bin/sh\ncat {tmp_path}/outcome.json\n")
    generator.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(generator))
    running = start(Plan(url="http://127.0.0.1:1", seconds=0.1))
    assert running.process.wait(30) == 0  # as `watch` waits: without reading
    assert len(finish(running).latencies_ms) == 30_000


@pytest.mark.slow
def test_hostile_uploads_break_nothing(model: str) -> None:
    found = values(hostile.measure(sys.executable, model, number=64))
    assert (found["inputs"], found["failures"], found["ready_after"]) == (64, 0, 1)


def test_every_way_of_the_raw_limit_judges_photos(model: str) -> None:
    limits = raw.measure(Path(model), seconds=0.05, photos=2, width=64)
    assert {(limit.batch, limit.loops, limit.threads) for limit in limits} == set(raw.ways(usable_cores()))
    assert all(limit.throughput > 0 and limit.cpu_ms > 0 for limit in limits)


def test_memory_swings_are_counted_from_the_middle_and_once_settled() -> None:
    samples = [overload.Sample(0.0, 10.0), overload.Sample(61.0, 95.0), overload.Sample(70.0, 105.0)]
    assert overload.swing_percent(samples, 60.0) == pytest.approx(5.0)
    assert overload.swing_percent(samples, 100.0) != overload.swing_percent(samples, 100.0)


def test_growth_is_from_early_to_late_and_not_by_a_peak() -> None:
    assert hostile.growth_percent(
        [50.0] * 3 + [100.0, 900.0, 100.0] + [70.0] * 6 + [110.0] * 3
    ) == pytest.approx(10.0)


def test_percentiles_of_nothing_meet_no_bar() -> None:
    assert not Outcome().percentile(99) <= 1e9
