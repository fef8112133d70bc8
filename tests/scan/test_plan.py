"""The list of inputs is made once; its shards hold every input once, and a draw is fair and repeatable."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.scan.items import Item
from src.scan.places import Folder
from src.scan.plan import Plan, _draw, read_plan, read_shard, write_plan
from src.scan.run import Order, _sized
from src.utils.errors import ConfigError, ScanError


def items(number: int) -> list[Item]:
    return [Item(f"i{n}", "tar", "a.tar", n, 2 * n) for n in range(number)]


def all_of(place: Folder, plan: Plan) -> list[Item]:
    return [item for shard in range(plan.shards) for item in read_shard(place, plan, shard)]


@settings(max_examples=20)
@given(number=st.integers(1, 60), size=st.integers(1, 20))
def test_shards_hold_every_input_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, number: int, size: int
) -> None:
    place = Folder(tmp_path_factory.mktemp("plan"))
    plan = write_plan(place, items(number), source="s", shard_size=size)
    assert all_of(place, plan) == items(number)
    assert [len(read_shard(place, plan, shard)) for shard in range(plan.shards)] == [
        plan.size(shard) for shard in range(plan.shards)
    ]
    assert read_plan(place) == plan


def test_a_plan_of_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.scan.plan._ITEMS_PER_FILE", 65)
    place = Folder(tmp_path)
    plan = write_plan(place, iter(items(700)), source="s", shard_size=30)
    assert len(list((tmp_path / "_plan").glob("*/*.parquet"))) == 12
    assert [item.offset for item in all_of(place, plan)] == list(range(700))


def test_a_plan_that_was_not_finished_is_none(tmp_path: Path) -> None:
    def broken():
        yield from items(10)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_plan(Folder(tmp_path), broken(), source="s", shard_size=4)
    assert read_plan(Folder(tmp_path)) is None


def test_of_two_who_list_at_once_one_plan_holds_for_both(tmp_path: Path) -> None:
    place = Folder(tmp_path)
    winners: list[Plan] = []

    def overtaken() -> Iterator[Item]:
        yield from items(10)
        winners.append(write_plan(place, items(7), source="other", shard_size=3))

    loser = write_plan(place, overtaken(), source="s", shard_size=4)
    assert [loser] == winners == [read_plan(place)]
    assert all_of(place, loser) == items(7)


def test_a_damaged_plan_is_said_and_an_empty_source_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no photos"):
        write_plan(Folder(tmp_path), [], source="s", shard_size=4)
    Folder(tmp_path).write("_plan/done.json", b"{")
    with pytest.raises(ScanError):
        read_plan(Folder(tmp_path))


def test_a_sample_is_drawn_once_each_and_every_input_has_the_same_chance(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    for seed in range(300):
        drawn = [item.id for item in _draw(iter(items(20)), 5, random.Random(seed))]
        assert len(set(drawn)) == 5
        seen.update(drawn)
    assert len(seen) == 20
    # 75 on average, deviation 7.5: five of them either way
    assert all(37 <= count <= 113 for count in seen.values())
    plan = write_plan(Folder(tmp_path), items(20), source="s", shard_size=8, sample=5)
    assert (plan.items, plan.population) == (5, 20)


@pytest.mark.parametrize(
    ("photos", "options", "size"),
    [
        (10, {}, 8),
        (2560, {}, 20),
        (40_000, {}, 256),
        (40_000, {"sample": 1280}, 10),
        (10, {"shard_size": 500}, 500),
    ],
)
def test_a_small_catalogue_has_small_shards_so_that_all_workers_have_some(
    photos: int, options: dict[str, int], size: int
) -> None:
    found, shard = _sized(iter(items(photos)), Order(source="s", dest="d", **options))
    assert shard == size
    assert sum(1 for _ in found) == photos


def test_a_draw_can_be_repeated(tmp_path: Path) -> None:
    plans = [Folder(tmp_path / name) for name in "ab"]
    drawn = [
        all_of(place, write_plan(place, items(50), source="s", shard_size=8, sample=9, seed=3))
        for place in plans
    ]
    assert drawn[0] == drawn[1]
