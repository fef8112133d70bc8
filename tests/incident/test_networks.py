"""What a rehearsal trains on never holds a photo that judges; a given champion must prove its innocence."""

from __future__ import annotations

import numpy as np
import pytest

from src.data.manifest import read_manifest
from src.data.splits import read_splits, splits_hash
from src.evaluation.card import read_card
from src.incident.networks import Bench, take_champion, train_on_labels
from src.incident.pools import make_pools
from src.incident.procedural import FAMILY, draw, draw_world
from src.utils.errors import DataError
from src.utils.model_card import TrainingFacts
from tests.support.tiny_model import tiny_card, write_tiny_model


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    manifest, splits, raw, config = draw_world(tmp_path_factory.mktemp("world"))
    pools = make_pools(read_manifest(manifest), read_splits(splits), FAMILY)
    return pools, raw, config


def test_a_photo_that_judges_is_never_learnt_from(world, tmp_path):
    pools, raw, config = world
    with pytest.raises(DataError, match="must not be learnt from"):
        train_on_labels(Bench(tmp_path, raw, config), pools, [pools.new_traffic[0], pools.new_judge[0]])


def test_a_champion_is_taken_only_if_it_was_trained_by_these_splits(world, tmp_path):
    pools, raw, config = world
    bench = Bench(tmp_path / "work", raw, config)
    mine = splits_hash(pools.splits[each.photo_id] for each in pools.base)
    for name, facts in (("none", None), ("other", TrainingFacts(photos=9, steps=9, splits_hash="x"))):
        given = write_tiny_model(tmp_path / f"{name}.onnx", tiny_card(training=facts))
        with pytest.raises(DataError, match="without 'openai'"):
            take_champion(bench, pools, given, FAMILY)
    facts = TrainingFacts(photos=9, steps=9, splits_hash=mine)
    given = write_tiny_model(tmp_path / "good.onnx", tiny_card(training=facts))
    taken = take_champion(bench, pools, given, FAMILY)
    assert taken != given
    assert read_card(taken) == read_card(given)


def test_the_drawn_world_is_the_same_each_time_and_its_kinds_differ(world, tmp_path):
    again = read_manifest(draw_world(tmp_path)[0])
    assert {each.sha256 for each in world[0].base} < {each.sha256 for each in again}
    rng = np.random.default_rng(3)
    mean = {
        kind: np.mean([np.asarray(draw(kind, rng)).mean(axis=(0, 1)) for _ in range(20)], axis=0)
        for kind in ("real", "known", "new")
    }
    assert mean["known"][0] - mean["known"][2] > 40 > mean["real"][0] - mean["real"][2]
    assert mean["new"][1] - mean["real"][1] > 30
