"""The card inside a model file: rewritten without touching the network."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from src.evaluation.card import network_hash, read_card, write_card
from src.inference.detector import Detector
from src.utils.errors import ModelError
from src.utils.model_card import Calibration
from tests.support.tiny_model import tiny_card, tiny_graph, write_tiny_model


def test_a_card_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "m.onnx")
    model = onnx.load_model(str(path))
    model.metadata_props.add(key="maker", value="someone")
    onnx.save(model, str(path))
    changed = read_card(path).model_copy(update={"calibration": Calibration(temperature=3.0, bias=-1.0)})
    write_card(path, changed)
    assert read_card(path) == changed
    again = onnx.load_model(str(path))
    assert again.graph == model.graph
    assert {entry.key: entry.value for entry in again.metadata_props}["maker"] == "someone"
    assert [each.name for each in tmp_path.iterdir()] == ["m.onnx"]
    assert Detector.from_file(path).card.calibration.temperature == 3.0


def test_the_hash_names_the_network_not_what_is_said_about_it(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "m.onnx")
    before = network_hash(path)
    card = read_card(path)
    write_card(
        path, card.model_copy(update={"metrics": {"auroc": 1.0}, "calibration": Calibration(bias=1.0)})
    )
    assert network_hash(path) == before
    chosen = card.views.model_copy(update={"crops": 1, "global_weight": 0.2})
    write_card(path, card.model_copy(update={"views": chosen}))
    assert network_hash(path) == before  # no view's logit depends on these
    for change in ({"max_side": 512}, {"global_sizes": (96,)}, {"crop_size": 64}):
        write_card(path, card.model_copy(update={"views": card.views.model_copy(update=change)}))
        assert network_hash(path) != before
    write_card(path, card.model_copy(update={"mean": (0.1, 0.1, 0.1)}))
    assert network_hash(path) != before
    model = tiny_graph()
    model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))
    onnx.helper.set_model_props(model, {"detector_card": tiny_card().to_json()})
    onnx.save(model, str(path))
    assert network_hash(path) != before


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model file"):
        read_card(tmp_path / "m.onnx")
    (tmp_path / "m.onnx").write_bytes(b"\xff\xff\xffnot a model")
    with pytest.raises(ModelError, match="no ONNX"):
        read_card(tmp_path / "m.onnx")
    onnx.save(tiny_graph(), str(tmp_path / "m.onnx"))
    with pytest.raises(ModelError, match="no model card"):
        read_card(tmp_path / "m.onnx")
