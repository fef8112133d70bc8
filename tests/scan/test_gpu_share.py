"""Actors ask for as much of a GPU as lets all of them find room."""

from __future__ import annotations

import pytest

from src.scan.on_ray import gpu_share
from src.utils.errors import ConfigError


@pytest.mark.parametrize(("gpus", "workers"), [(1.0, 1), (1.0, 16), (2.0, 3), (8.0, 4), (3.0, 100)])
def test_all_actors_find_room(gpus: float, workers: int) -> None:
    share = gpu_share("cuda", gpus, workers)
    assert 0 < share <= 1
    assert int(1 / share) * gpus >= workers


def test_only_who_asks_for_a_gpu_waits_for_one() -> None:
    assert gpu_share("cpu", 4.0, 2) == gpu_share("auto", 4.0, 2) == 0.0
    with pytest.raises(ConfigError, match="no node"):
        gpu_share("cuda", 0.0, 2)
