from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from src.training import export as module
from src.training.config import ModelConfig
from src.training.export import OUTPUTS, export, parity
from src.training.model import build_model
from src.training.train import draft_card
from src.utils.errors import ModelError
from src.utils.model_card import METADATA_KEY, ModelCard, TrainingFacts


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    model = build_model(ModelConfig(architecture="test_efficientnet", initial_weights="none"))
    torch.nn.init.normal_(model.head.weight, std=3.0)
    return model.eval()


@pytest.fixture(scope="module")
def views():
    return [np.random.default_rng(i).normal(size=(3, 64, 64)).astype(np.float32) for i in range(9)]


@pytest.fixture(scope="module")
def card(run, records):
    return draft_card(run, records, TrainingFacts(photos=len(records), steps=3, splits_hash="ab"))


@pytest.fixture(scope="module")
def exported(network, views, card, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    difference = export(network, card, path, views)
    return path, difference


def test_the_file_answers_as_the_network(exported, network, views):
    path, difference = exported
    assert difference <= module.PARITY_LIMIT
    assert parity(network, path, views) == pytest.approx(difference, abs=1e-6)


def test_the_card_travels_inside(exported, run):
    session = onnxruntime.InferenceSession(str(exported[0]), providers=["CPUExecutionProvider"])
    card = ModelCard.from_json(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    assert card.name == run.name
    assert card.views == run.views
    assert card.training is not None
    assert card.training.steps == 3


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 64, 64), (5, 96, 160)])
def test_any_batch_and_any_size_go_through(exported, batch, height, width):
    session = onnxruntime.InferenceSession(str(exported[0]), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(1).normal(size=(batch, 3, height, width)).astype(np.float32)
    logit, embedding, cam = session.run(list(OUTPUTS), {"image": image})
    assert logit.shape == (batch,)
    assert embedding.shape[0] == cam.shape[0] == batch
    assert np.allclose(cam.mean((1, 2)), logit, atol=1e-3)


def test_the_file_tells_nothing_of_the_machine_that_made_it(exported):
    content = exported[0].read_bytes()
    assert b"site-packages" not in content
    assert b".py" not in content


def test_a_file_that_differs_is_refused_and_the_old_one_stays(network, card, views, monkeypatch, tmp_path):
    target = tmp_path / "model.onnx"
    target.write_bytes(b"the old one")
    monkeypatch.setattr(module, "PARITY_LIMIT", -1.0)
    with pytest.raises(ModelError, match="differs"):
        export(network, card, target, views)
    assert target.read_bytes() == b"the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_parity_sees_another_network(exported, views):
    torch.manual_seed(1)
    other = build_model(ModelConfig(architecture="test_efficientnet", initial_weights="none"))
    torch.nn.init.normal_(other.head.weight, std=3.0)
    assert parity(other.eval(), exported[0], views) > module.PARITY_LIMIT


def test_a_network_that_gives_no_number_is_refused(network, exported, views):
    spoilt = [*views[:-1], np.full_like(views[0], np.nan)]
    with pytest.raises(ModelError, match="nan"):
        module.checked_parity(network, exported[0], spoilt)


def test_parity_needs_enough_views_of_each_size(network, exported, views):
    with pytest.raises(ModelError, match="8 photos"):
        parity(network, exported[0], [*views, np.zeros((3, 96, 96), np.float32)])
