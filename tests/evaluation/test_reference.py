"""The drift reference of a model: made of photos it never saw, named in its card, shipped with it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from src.evaluation.card import network_hash, read_card, write_card
from src.evaluation.embeddings import EmbeddingTable, network_of
from src.evaluation.reference import default_cut, main, make_reference
from src.evaluation.release import main as release
from src.monitoring.drift.bank import Simulation
from src.monitoring.drift.reference import read_reference, reference_path
from src.utils.errors import ConfigError, DataError, ModelError
from src.utils.model_card import Calibration
from tests.evaluation.conftest import World
from tests.evaluation.test_report import Release
from tests.support.tiny_model import tiny_card

FAST = Simulation(replicates=2, streams=8, photos=1500)


def a_table(n: int = 160, seed: int = 0) -> EmbeddingTable:
    rng = np.random.default_rng(seed)
    fake = np.arange(n) % 2 == 1
    names = np.array([f"photo{place}" for place in range(n)])
    return EmbeddingTable(
        photo_id=names,
        tier=np.where(np.arange(n) < n - 20, "clean", "web"),
        fake=fake,
        family=np.where(fake, "openai", "camera"),
        source=np.array([f"shop{place // 5}" for place in range(n)]),
        group=names,
        category=np.full(n, "food"),
        split=np.full(n, "test"),
        logit=rng.normal(np.where(fake, 2.0, -2.0), 1.0),
        embedding=rng.normal(size=(n, 24)).astype(np.float16),
        format=np.full(n, "JPEG"),
        width=rng.uniform(300, 900, n),
        height=rng.uniform(300, 900, n),
        bytes_per_pixel=rng.uniform(0.1, 0.4, n),
        quality=np.where(rng.random(n) < 0.5, 85.0, np.nan),
    )


def embed(world: World, *more: str) -> Path:
    table = world.root / "embeddings.npz"
    assert main([*world.options(), "--table", str(table), "--embed-only", *more]) == 0
    return table


def test_photos_are_scored_as_the_service_scores_them_with_the_facts_of_their_files(world: World) -> None:
    path = embed(world, "--select", "test")
    table = EmbeddingTable.load(path)
    clean = table.where(table.tier == "clean")
    assert len(clean) == 8
    assert len(table) == 16
    assert ((clean.logit > 0) == clean.fake).all()
    assert clean.embedding.dtype == np.float16
    assert (set(clean.format), set(clean.width)) == ({"PNG"}, {120.0})
    assert set(table.quality[table.tier == "web"]) == {60.0}
    assert network_of(path) == network_hash(world.model)


def test_a_table_of_the_same_network_is_taken_as_it_is_and_another_one_is_made_anew(world: World) -> None:
    path = embed(world, "--select", "test")
    before = path.stat().st_mtime_ns
    embed(world, "--select", "test")
    assert path.stat().st_mtime_ns == before
    EmbeddingTable.load(path).save(path, "another network")
    embed(world, "--select", "test", "--limit", "4")
    assert network_of(path) == network_hash(world.model)
    assert len(EmbeddingTable.load(path)) == 8


@pytest.mark.parametrize("wanted", ["train", "all"])
def test_training_photos_make_no_reference(world: World, wanted: str) -> None:
    with pytest.raises(ConfigError, match="never saw"):
        embed(world, "--select", wanted)


def test_photos_that_the_network_may_know_make_no_reference(world: World) -> None:
    with pytest.raises(DataError, match="left out"):
        embed(world, "--select", "fold:0")


def test_too_few_photos_make_no_reference_and_leave_the_card_alone(world: World) -> None:
    with pytest.raises(ModelError, match="needs 100 photos"):
        main([*world.options(), "--table", str(world.root / "e.npz"), "--select", "test"])
    assert read_card(world.model).drift_reference is None


def test_the_card_names_the_reference_of_clean_photos(world: World) -> None:
    table = world.root / "embeddings.npz"
    a_table().save(table, network_hash(world.model))
    assert main([*world.options(), "--table", str(table), "--select", "test"]) == 0
    named = read_card(world.model).drift_reference
    found = read_reference(reference_path(world.model), named)
    assert named is not None
    assert len(found) == 140
    assert network_of(table) == network_hash(world.model)  # the card is no part of the network


def test_the_cut_is_where_the_default_policy_turns() -> None:
    card = tiny_card(calibration=Calibration(temperature=2.0, bias=0.3))
    threshold = card.policy()[1].threshold
    assert card.calibration.probability(default_cut(card)) == pytest.approx(threshold)


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with pytest.raises(DataError, match="no table"):
        EmbeddingTable.load(path)
    path.write_bytes(b"PK no zip")
    with pytest.raises(DataError, match="is no table"):
        EmbeddingTable.load(path)
    assert network_of(path) == ""


def test_the_reference_is_shipped_with_its_model_and_a_model_without_its_own_is_not(tmp_path: Path) -> None:
    made = Release(tmp_path)
    made.report()
    options = ["--model", str(made.model), "--report", str(made.out / "report.json")]
    target = tmp_path / "models" / "detector.onnx"
    card = read_card(made.model)
    write_card(made.model, card.model_copy(update={"drift_reference": "0" * 64}))
    with pytest.raises(ModelError, match="no drift reference"):
        release([*options, "--to", str(target)])
    assert not target.exists()
    content = make_reference(a_table(), card, "made up", FAST).to_bytes()
    reference_path(made.model).write_bytes(content)
    with pytest.raises(ModelError, match="is not the drift reference"):
        release([*options, "--to", str(target)])
    digest = hashlib.sha256(content).hexdigest()
    write_card(made.model, card.model_copy(update={"drift_reference": digest}))
    assert release([*options, "--to", str(target)]) == 0
    assert len(read_reference(reference_path(target), digest)) == 140
