"""The job against a real store: what it reads, how it starts again, and that nothing of it stops a photo."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from src.monitoring.drift.gauges import DriftMetrics, statistics
from src.monitoring.drift.monitor import DriftMonitor, find_reference
from src.monitoring.drift.reference import write_reference
from src.monitoring.drift.schema import ChartState, DriftReport
from src.store.live import LiveRow
from src.store.records import Feedback, PhotoFacts, PredictionRecord
from src.store.store import Store
from src.utils.errors import ModelError, StoreError
from src.utils.model_card import ModelCard
from tests.support.drift import draw, mixed, reference, rows
from tests.support.tiny_model import tiny_card


def a_record(row: LiveRow, version: str = "1.0.0") -> PredictionRecord:
    fake = row.logit >= 0.0
    return PredictionRecord(
        id=row.id,
        created_at=row.created_at,
        sha256=row.sha256,
        label="ai_generated" if fake else "real",
        probability=0.9 if fake else 0.1,
        logit=row.logit,
        threshold=0.5,
        policy="balanced",
        needs_review=row.needs_review,
        model_version=version,
        api_key_id=row.api_key_id,
        facts=PhotoFacts(**row.facts) if row.facts else None,
        embedding=row.embedding,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(
        f"sqlite:///{tmp_path}/detector.db", spool_dir=tmp_path / "spool", write_timeout_s=60.0
    )
    yield opened
    opened.close()


@pytest.fixture
def card(tmp_path: Path) -> ModelCard:
    return tiny_card(
        version="1.0.0", drift_reference=write_reference(tmp_path / "any.reference.npz", reference())
    )


def a_monitor(
    card: ModelCard | None, store: Store | None, folder: Path, registry: CollectorRegistry | None = None
):
    metrics = DriftMetrics(registry or CollectorRegistry())
    return DriftMonitor(
        lambda: card, lambda: store, (folder / "empty", folder), metrics, every_s=0.01, timeout_s=60.0
    )


async def keep(store: Store, found: list[LiveRow], version: str = "1.0.0") -> None:
    await asyncio.gather(*(store.record(a_record(row, version)) for row in found))


def traffic(n: int, seed: int, start: int = 0, new: float = 0.0) -> list[LiveRow]:
    return rows(draw(mixed(n, 0.5, seed, new=new), seed), seed, start)


def test_a_new_crowd_is_found_in_the_store_told_in_gauges_and_confirmed_by_feedback(store, card, tmp_path):
    registry = CollectorRegistry()

    async def scenario() -> None:
        monitor = a_monitor(card, store, tmp_path, registry)
        await keep(store, traffic(300, seed=1))
        assert (await monitor.look()).severity == "none"
        late = traffic(450, seed=2, start=300, new=0.4)
        await keep(store, late)
        report = await monitor.look()
        assert (report.severity, report.photos_seen) == ("warning", 750)
        page = generate_latest(registry).decode()
        assert "detector_drift_severity 1.0" in page
        assert 'detector_drift_alarm{channel="content"} 1.0' in page
        assert "detector_drift_window_photos 750.0" in page
        for row in late[-60:]:
            truth = "real" if row.logit >= 0.0 else "ai_generated"
            await store.feedback(Feedback(prediction_id=a_record(row).id, true_label=truth, reviewer="ana"))
        report = await monitor.look()
        assert (report.severity, report.finding) == ("critical", "harmful")
        assert report.labels is not None
        assert report.labels.labelled == report.labels.errors == 60
        assert "detector_drift_severity 2.0" in generate_latest(registry).decode()

    asyncio.run(scenario())


def test_no_photo_is_read_twice_or_left_out_however_often_it_looks(store, card, tmp_path):
    async def scenario() -> None:
        monitor = a_monitor(card, store, tmp_path)
        found = traffic(60, seed=3)
        for start in range(0, 60, 10):
            # The first half of each part is written when the younger half has been read.
            await keep(store, found[start + 5 : start + 10])
            await monitor.look()
            await keep(store, found[start : start + 5])
            await monitor.look()
        report = await monitor.look()
        assert (report.photos_seen, report.photos_skipped) == (60, 0)

    asyncio.run(scenario())


def test_a_monitor_that_starts_again_comes_to_the_same_report(store, card, tmp_path):
    async def scenario() -> None:
        await keep(store, traffic(200, seed=4))
        first = a_monitor(card, store, tmp_path)
        await first.look()
        await keep(store, traffic(200, seed=5, start=200))
        running, fresh = await first.look(), await a_monitor(card, store, tmp_path).look()
        assert running.photos_seen == fresh.photos_seen == 400
        for a, b in zip(running.charts, fresh.charts, strict=True):
            assert a.value == pytest.approx(b.value, rel=1e-3)

    asyncio.run(scenario())


def test_photos_of_another_model_are_not_looked_at(store, card, tmp_path):
    async def scenario() -> None:
        await keep(store, traffic(60, seed=6), version="0.9.0")
        assert (await a_monitor(card, store, tmp_path).look()).photos_seen == 0

    asyncio.run(scenario())


def test_another_model_is_followed_from_its_first_photo(store, card, tmp_path):
    async def scenario() -> None:
        cards = [card]
        monitor = DriftMonitor(
            lambda: cards[-1],
            lambda: store,
            (tmp_path,),
            DriftMetrics(CollectorRegistry()),
            every_s=1.0,
            timeout_s=60.0,
        )
        await keep(store, traffic(60, seed=7))
        assert (await monitor.look()).photos_seen == 60
        cards.append(card.model_copy(update={"version": "2.0.0"}))
        report = await monitor.look()
        assert (report.status, report.photos_seen) == ("waiting", 0)

    asyncio.run(scenario())


@pytest.mark.parametrize(("named", "status"), [(None, "no_reference"), ("0" * 64, "no_reference")])
def test_a_model_without_its_reference_is_served_unwatched(store, card, tmp_path, named, status):
    other = card.model_copy(update={"drift_reference": named})
    assert asyncio.run(a_monitor(other, store, tmp_path).look()).status == status


def test_without_store_or_model_it_says_so(card, tmp_path):
    assert asyncio.run(a_monitor(card, None, tmp_path).look()).status == "no_store"
    assert asyncio.run(a_monitor(None, None, tmp_path).look()).status == "waiting"


class Away:
    """A store whose database has gone."""

    async def live_rows(self, *_: object) -> list[LiveRow]:
        raise StoreError("the store is away; try again in a moment")


def test_a_store_that_is_away_ends_no_alarm(store, card, tmp_path):
    async def scenario() -> None:
        stores: list[Any] = [store]
        monitor = DriftMonitor(
            lambda: card,
            lambda: stores[-1],
            (tmp_path,),
            DriftMetrics(CollectorRegistry()),
            every_s=1.0,
            timeout_s=60.0,
        )
        await keep(store, traffic(100, seed=8))
        before = await monitor.look()
        stores.append(Away())
        after = await monitor.look()
        assert after.status == "store_away"
        assert after.charts == before.charts
        stores.append(store)
        assert (await monitor.look()).status == "watching"

    asyncio.run(scenario())


def test_it_goes_on_after_a_look_that_failed(card, tmp_path):
    calls = []

    def broken() -> ModelCard:
        calls.append(1)
        raise RuntimeError("a bug")

    async def scenario() -> None:
        monitor = DriftMonitor(
            broken, lambda: None, (tmp_path,), DriftMetrics(CollectorRegistry()), every_s=0.001, timeout_s=1.0
        )
        task = asyncio.create_task(monitor.run())
        async with asyncio.timeout(30):
            while len(calls) < 3:  # noqa: ASYNC110 - another task brings it about
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


def test_a_reference_is_found_by_its_hash_whatever_its_name(card, tmp_path):
    assert find_reference(card, [tmp_path / "nowhere", tmp_path]) is not None
    assert hashlib.sha256((tmp_path / "any.reference.npz").read_bytes()).hexdigest() == card.drift_reference
    with pytest.raises(ModelError):
        find_reference(card, [tmp_path / "nowhere"])


@pytest.mark.parametrize(("value", "share"), [(0.0, 0.0), (0.5, math.inf)])
def test_a_chart_whose_limit_is_zero_is_told_and_breaks_no_look(value, share):
    chart = ChartState(name="far", value=value, limit=0.0, over=value > 0)
    report = DriftReport.model_construct(charts=(chart,), windows=(), labels=None)
    assert statistics(report)["far"] == share
