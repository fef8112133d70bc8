"""A whole training from feedback on a drawn set: photos in, a judged challenger out, on the same splits."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import uuid4

import pytest

from src.data.manifest import read_manifest
from src.data.splits import read_splits, splits_hash
from src.evaluation.card import read_card
from src.evaluation.figures import read_report
from src.incident.full import FullPlan
from src.incident.procedural import draw_world
from src.incident.retrain import retrain
from src.incident.retrain_plan import RetrainPlan
from src.inference.detector import Detector
from src.registry.registry import Registry
from src.utils.model_card import TrainingFacts
from tests.incident.conftest import NOW, draw
from tests.support.registry import Passing, report_of, shared_registry
from tests.support.tiny_model import tiny_card, write_tiny_model

PEOPLE = ["ana bea", "bea cem", "cem dana", "dana ana"]
LABELS = 24


@pytest.mark.slow
def test_labelled_photos_are_trained_on_and_the_result_is_judged_on_the_base_splits(
    tmp_path, book, validation
):
    manifest, splits, raw, config = draw_world(
        tmp_path / "world", shops=6, photos={"real": 10, "known": 10}, folds=2
    )
    base = read_splits(splits)
    facts = TrainingFacts(photos=50, steps=10, splits_hash=splits_hash(base.values()))
    champion = write_tiny_model(tmp_path / "champion.onnx", tiny_card(version="1.0.0", training=facts))
    report = tmp_path / "champion.json"
    report.write_text(report_of(champion, splits_hash=facts.splits_hash).model_dump_json())
    shelf = Registry(shared_registry(), f"full-{uuid4().hex[:8]}")
    first = shelf.register(champion, report)
    shelf.promote(first, [Passing()])
    for number in range(LABELS):
        kind = "real" if number % 3 == 0 else "new"
        book.judge(draw(kind, 40_000 + number), kind != "real", PEOPLE[number % 4])

    overrides = (
        *(f"data.cache={tmp_path / 'cache'}", f"tracking_uri=sqlite:///{tmp_path}/mlflow.db"),
        *("optim.steps=6", "validation.every=6", "validation.photos=8"),
    )
    plan = RetrainPlan(
        store_url=book.url,
        out=tmp_path / "out",
        since=NOW - timedelta(days=30),
        manifest=manifest,
        splits=splits,
        raw=raw,
        validation=validation,
        full=FullPlan(config, overrides, fold_steps=4, replicates=10),
    )
    result = retrain(plan, shelf, tmp_path / "models", book)

    assert (result.outcome, result.taken, result.left_out) == ("challenger", LABELS, {})
    assert shelf.challenger().version == result.version
    assert shelf.champion().version == first
    # Every labelled photo was trained on, and none moved a known one.
    grown = read_splits(tmp_path / "out" / "data" / "splits.csv")
    everything = read_manifest(tmp_path / "out" / "data" / "manifest.csv")
    fresh = [each for each in everything if each.source == "feedback"]
    assert {each.sha256 for each in fresh} == {
        hashlib.sha256(each).hexdigest() for each in book.photos.values()
    }
    assert {grown[each.photo_id].split for each in fresh} == {"train"}
    assert {each: grown[each] for each in base} == base
    card = read_card(tmp_path / "out" / "train" / "model.onnx")
    assert card.version == result.model_version
    assert card.version.endswith(f"+feedback.{len(grown)}")
    assert card.training.splits_hash == facts.splits_hash
    assert card.training.photos == sum(each.split == "train" for each in grown.values())
    assert {"balanced", "low_false_positive", "high_recall"} <= set(card.policies)
    # Judged on whole unseen shops by the fold networks, as a release is.
    judged = read_report(tmp_path / "out" / "report" / "report.json")
    assert judged.splits_hash == facts.splits_hash
    assert {"test", "unseen"} <= set(judged.datasets)
    assert judged.lengths.folds == {0: 4, 1: 4}
    assert len(result.gates) > 30
    # The registered file serves.
    served = shelf.model_file(shelf.challenger(), tmp_path / "fetched")
    assert Detector.from_file(served, threads=1).detect(draw("new", 1)).model_version == card.version
