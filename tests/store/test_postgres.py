"""A real PostgreSQL goes down in mid-work and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from src.store.engine import make_engine
from src.utils.errors import StoreError
from tests.store.builders import a_feedback, a_record
from tests.store.conftest import OpenStore
from tests.support.patience import until
from tests.support.postgres import Cluster, cluster
from tests.support.programs import POSTGRES, needs


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    needs(POSTGRES)
    with cluster() as running:
        yield running


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_server_stopped_and_started_under_load(server: Cluster, opened: OpenStore, mode: str) -> None:
    async def scenario() -> None:
        store = opened(server.url, write_timeout_s=10.0)
        await until(lambda: store.up)
        acknowledged: dict[str, bool] = {}
        given: list[str] = []
        done = asyncio.Event()

        async def client() -> None:
            while not done.is_set():
                record = a_record(evidence=None, embedding=None)
                acknowledged[record.id] = await store.record(record)
                try:
                    feedback = a_feedback(record.id)
                    await store.feedback(feedback)
                    given.append(record.id)
                except StoreError:
                    await asyncio.sleep(0.02)

        clients = [asyncio.create_task(client()) for _ in range(4)]
        await until(lambda: sum(acknowledged.values()) > 40)
        await asyncio.to_thread(server.stop, mode)
        await until(lambda: store.stats().spooled > 20)
        assert not store.up
        await asyncio.to_thread(server.start)
        before = store.stats().stored
        await until(lambda: store.stats().stored > before + 20)
        done.set()
        await asyncio.gather(*clients)
        await until(lambda: store.stats().spool_records == 0)
        assert (store.stats().lost, store.stats().rejected) == (0, 0)
        for name, was_stored in acknowledged.items():
            found = await store.prediction(name)
            assert found is not None, f"lost; stored: {was_stored}"
            assert bool(found.feedback) >= (name in given)

    asyncio.run(scenario())


def test_start_while_the_server_is_down(server: Cluster, opened: OpenStore) -> None:
    async def scenario() -> None:
        await asyncio.to_thread(server.stop)
        store, record = opened(server.url), a_record()
        assert not store.up
        assert await store.record(record) is False
        await asyncio.to_thread(server.start)
        await until(lambda: store.stats().replayed == 1)
        assert await store.prediction(record.id) is not None

    asyncio.run(scenario())


def test_commits_wait_for_the_disk_also_where_the_server_was_told_not_to(server: Cluster) -> None:
    def setting(url: str) -> str:
        engine = make_engine(url)
        with engine.connect() as connection:
            found = str(connection.exec_driver_sql("SHOW synchronous_commit").scalar())
        engine.dispose()
        return found

    assert setting(server.url) == "on"
    assert setting(server.url + "?options=-c%20synchronous_commit%3Doff") == "on"
    assert setting(server.url + "?options=-c%20synchronous_commit%3Dremote_apply") == "remote_apply"
