from __future__ import annotations

import json
import subprocess
import sys

import mlflow
import numpy as np
import pytest

from src.data.manifest import read_manifest
from src.data.splits import Split, read_splits, splits_hash
from src.evaluation.card import read_card
from src.inference.detector import Detector
from src.training.folds import fold_config, fold_folder, train_folds
from src.training.smoke import draw
from src.training.train import select_records, train
from src.utils.errors import ConfigError, DataError


@pytest.mark.slow
def test_the_smoke_training_learns_in_under_a_minute(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "src.training.train", "--smoke", "--set", f"output={tmp_path}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    detector = Detector.from_file(tmp_path / "smoke" / "model.onnx")
    rng = np.random.default_rng(123)
    fakes = [detector.detect(draw(rng, fake=True)).probability for _ in range(12)]
    reals = [detector.detect(draw(rng, fake=False)).probability for _ in range(12)]
    assert np.mean(fakes) > np.mean(reals) + 0.2
    runs = mlflow.MlflowClient(f"sqlite:///{tmp_path}/smoke/mlflow.db").search_runs(["1"])
    assert runs[0].data.params["optim.steps"] == "60"
    assert "worst_tier" in runs[0].data.metrics
    assert runs[0].data.metrics["train_seconds"] < 60


@pytest.mark.slow
def test_each_fold_trains_without_its_shops_and_is_not_trained_twice(run, tmp_path):
    short = run.model_copy(
        update={"optim": run.optim.model_copy(update={"steps": 2}), "output": tmp_path, "loader_workers": 0}
    )
    paths = train_folds(short)
    assert [path.parent.name for path in paths] == ["0", "1", "2"]
    before = [path.stat().st_mtime_ns for path in paths]
    assert train_folds(short) == paths
    assert [path.stat().st_mtime_ns for path in paths] == before
    cards = [read_card(path).training for path in paths]
    assert [card.held_out_fold for card in cards] == [0, 1, 2]
    assert {card.splits_hash for card in cards} == {splits_hash(read_splits(run.data.splits).values())}
    train_folds(short, steps=3, only=[2, 0])
    assert [read_card(path).training.steps for path in paths] == [3, 2, 3]
    with pytest.raises(ConfigError, match="folds"):
        train_folds(short, only=[7])


def test_a_fold_never_sees_its_shops(run, records):
    splits = read_splits(run.data.splits)
    config = fold_config(run, 1, steps=5)
    training, validation = select_records(records, splits, config)
    held_out = {r.source for r in records if splits[r.photo_id].fold == 1}
    assert held_out
    assert not held_out & {r.source for r in training}
    assert not validation
    assert config.optim.steps == 5
    assert config.output == fold_folder(run, 1)


def test_a_fold_goes_on_from_its_own_earlier_run_and_from_no_other(run, tmp_path):
    optim = run.optim.model_copy(update={"steps": 2})
    first = run.model_copy(update={"optim": optim, "output": tmp_path / "first", "loader_workers": 0})
    train(fold_config(first, 1))

    def going_on(weights):
        model = run.model.model_copy(update={"initial_weights": "run", "weights_file": weights})
        return first.model_copy(update={"model": model, "output": tmp_path / "second"})

    each = going_on(tmp_path / "first" / "folds" / "{fold}" / "checkpoint.pt")
    path = train(fold_config(each, 1, steps=3))
    assert read_card(path).training.steps == 5
    assert json.loads((path.parent / "run.json").read_text())["steps"] == 3
    with pytest.raises(ConfigError, match="a run for each fold"):
        fold_config(going_on(tmp_path / "first" / "folds" / "1" / "checkpoint.pt"), 0)
    with pytest.raises(ConfigError, match="left out fold 1, not None"):
        train(going_on(tmp_path / "first" / "folds" / "1" / "checkpoint.pt"))


def test_training_and_validation_are_the_splits_of_known_shops(run, records):
    splits = read_splits(run.data.splits)
    training, validation = select_records(records, splits, run)
    assert {splits[r.photo_id].split for r in training} == {"train"}
    assert {splits[r.photo_id].split for r in validation} == {"val"}


def test_held_out_generators_are_in_no_fold_training(run, records):
    splits = read_splits(run.data.splits)
    kept_back = records[0].photo_id
    splits[kept_back] = Split(photo_id=kept_back, split="heldout", fold=splits[kept_back].fold)
    for config in (run, *(fold_config(run, fold) for fold in range(3))):
        training, validation = select_records(records, splits, config)
        assert kept_back not in {r.photo_id for r in training + validation}


def test_a_photo_without_a_split_is_an_error(run):
    found = read_manifest(run.data.manifest)
    with pytest.raises(DataError, match="no split"):
        select_records(found, {}, run)


def test_a_generator_kept_back_by_the_configuration_must_be_kept_back_by_the_splits(run, tmp_path):
    data = run.data.model_copy(update={"held_out_generators": ("procedural",)})
    with pytest.raises(DataError, match="procedural"):
        train(run.model_copy(update={"data": data, "output": tmp_path}))


def test_a_run_without_data_says_in_one_line_what_to_do(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "src.training.train", "--set", f"data.splits={tmp_path}/none.csv"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "make data" in done.stderr
    assert "Traceback" not in done.stderr
