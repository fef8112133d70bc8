"""A real cluster of several nodes: one is killed in the middle, and no row is lost or doubled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.server import free_port
from src.scan.messages import At, Done
from src.scan.on_ray import cluster, run_ray
from src.scan.places import Folder
from src.scan.run import _job
from src.utils.errors import ConfigError
from tests.scan.catalogue import PHOTOS, SHARD, order_for, rows_of, settings_for
from tests.support.patience import eventually

pytestmark = pytest.mark.slow

_HERE = {"object_store_memory": 80 * 2**20, "include_dashboard": False}


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A head that gives out work, and two nodes of one core each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **_HERE})
    try:
        for _ in range(2):
            found.add_node(num_cpus=1, **_HERE)
        yield found
    finally:
        found.shutdown()
        mine = psutil.Process()
        eventually(lambda: not _of_ray(mine), "processes of the cluster are left behind")


def _of_ray(process: psutil.Process) -> list[psutil.Process]:
    names = ("raylet", "gcs_server", "ray::", "src.scan.child")
    return [
        child
        for child in process.children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and any(name in " ".join(child.cmdline()) for name in names)
    ]


def test_a_killed_node_loses_and_doubles_no_row(
    nodes: Any, catalogue: Path, model_path: Path, expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    import ray

    job = _job(order_for(catalogue, tmp_path / "out"), settings_for(model_path), Folder(tmp_path / "out"))
    done: list[int] = []

    def listen(message: At | Done) -> None:
        assert isinstance(message, Done)
        done.append(message.shard)
        if len(done) == 4:
            here = ray.get_runtime_context().get_node_id()
            victim = next(node for node in nodes.worker_nodes if node.node_id != here)
            nodes.remove_node(victim, allow_graceful=False)

    with cluster(nodes.address) as (engine, cores):
        assert engine is run_ray
        assert cores == 2
        engine(job, iter(range(job.plan.shards)), 2, listen)
    assert sorted(done) == list(range(-(-PHOTOS // SHARD)))
    assert rows_of(tmp_path / "out") == expected


def test_a_cluster_that_is_not_there_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match="no Ray cluster"), cluster(f"127.0.0.1:{free_port()}"):
        pass
