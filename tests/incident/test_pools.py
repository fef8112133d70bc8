"""Photos are divided so that nothing that judges was learnt from, and the family comes from nowhere."""

from __future__ import annotations

from itertools import combinations

import pytest

from src.data.families import family_of
from src.data.manifest import PhotoRecord
from src.data.splits import Split, make_splits
from src.incident.pools import Pools, make_pools
from src.utils.errors import DataError
from tests.incident.conftest import record_of

PARTS = ("reference", "traffic", "judge_known", "judge_unseen", "new_traffic", "new_judge")


def world(new: int = 8) -> tuple[list[PhotoRecord], dict[str, Split]]:
    """Ten shops of each kind, no pictures."""
    records = [
        record_of(f"{kind} {shop} {number}".encode(), kind, shop, number // 2)
        for kind, count in (("real", 40), ("known", 40), ("new", new))
        for shop in range(10)
        for number in range(count)
    ]
    splits = make_splits(records, 1, test_share=0.2, val_share=0.2, folds=4)
    return records, {each.photo_id: each for each in splits}


@pytest.fixture(scope="module")
def pools() -> Pools:
    return make_pools(*world(), "openai")


def test_no_photo_and_no_product_is_in_two_pools(pools):
    trained = [each for each in pools.base if pools.splits[each.photo_id].split == "train"]
    parts = {"train": trained, **{name: getattr(pools, name) for name in PARTS}}
    for (_, first), (_, second) in combinations(parts.items(), 2):
        assert not {each.group for each in first} & {each.group for each in second}
    assert all(parts.values())


def test_the_family_is_nowhere_but_in_its_own_pools(pools):
    others = [*pools.base, *pools.reference, *pools.traffic, *pools.judge_known, *pools.judge_unseen]
    assert {family_of(each.generator) for each in others if each.is_fake} == {"stable_diffusion"}
    mine = [*pools.new_traffic, *pools.new_judge]
    assert {family_of(each.generator) for each in mine} == {"openai"}
    assert len(mine) == 80


def test_unseen_judges_are_of_shops_that_no_training_saw(pools):
    trained = {each.source for each in pools.base if pools.splits[each.photo_id].split == "train"}
    assert not trained & {each.source for each in pools.judge_unseen}
    # Thresholds must be set by strangers, too.
    assert {each.source for each in pools.reference} - trained


def test_both_labels_are_in_every_pool_of_known_photos(pools):
    for name in PARTS[:4]:
        assert {each.is_fake for each in getattr(pools, name)} == {False, True}, name


def test_a_product_that_the_family_shows_too_is_left_out_of_what_is_known():
    records, splits = world()
    new = next(each for each in records if each.generator == "gpt_image_1")
    known = next(each for each in records if each.generator == "sdxl")
    shared = [each.model_copy(update={"group": new.group}) if each is known else each for each in records]
    pools = make_pools(shared, splits, "openai")
    assert known.photo_id not in {each.photo_id for each in pools.base}


def test_the_same_seed_divides_alike_and_another_differently(pools):
    again = make_pools(*world(), "openai")
    assert [each.photo_id for each in again.new_judge] == [each.photo_id for each in pools.new_judge]
    other = make_pools(*world(), "openai", seed=5)
    assert {each.photo_id for each in other.new_judge} != {each.photo_id for each in pools.new_judge}


def test_a_limit_shortens_both_sides():
    pools = make_pools(*world(), "openai", limit=600)
    assert len(pools.base) == 600
    assert len(pools.new_traffic) + len(pools.new_judge) == 80


def test_a_family_with_too_few_photos_is_refused():
    with pytest.raises(DataError, match="new_traffic"):
        make_pools(*world(new=1), "openai")
    with pytest.raises(DataError, match="'nobody'"):
        make_pools(*world(), "nobody")
