"""The head inside a file: found by what it does, exchanged so that logit and map stay one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from src.evaluation.card import read_card, write_card
from src.incident.head import Head, read_head, write_head
from src.inference.detector import Detector
from src.utils.errors import ModelError
from tests.support.pictures import photo_bytes
from tests.support.tiny_model import GAIN, tiny_card, tiny_graph, write_tiny_model

SHIPPED = Path(__file__).parents[2] / "models" / "detector.onnx"


@pytest.fixture
def tiny(tmp_path):
    return write_tiny_model(tmp_path / "tiny.onnx")


def answers(path, view):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["logit", "embedding", "cam"], {"image": view})


def some_views(count=3, side=96):
    return np.random.default_rng(3).normal(0, 1, (count, 3, side, side)).astype(np.float32)


def test_the_head_of_a_graph_is_found_by_what_it_does(tiny):
    head = read_head(tiny)
    assert head.weight[:2].tolist() == [GAIN, -GAIN]
    assert not head.weight[2:].any()
    assert head.bias == pytest.approx(0.0, abs=1e-5)


def test_a_head_without_a_bias_is_given_one(tiny, tmp_path):
    weight = read_head(tiny).weight * 3
    write_head(tiny, tmp_path / "new.onnx", Head(weight, 0.75), tiny_card(version="2"))
    again = read_head(tmp_path / "new.onnx")
    assert again.bias == pytest.approx(0.75)
    assert again.weight == pytest.approx(weight)


@pytest.mark.parametrize("source", ["tiny", "shipped"])
def test_logit_and_mean_of_the_map_are_the_new_heads(source, tiny, tmp_path):
    path = tiny if source == "tiny" else SHIPPED
    old, target = read_head(path), tmp_path / "new.onnx"
    rng = np.random.default_rng(1)
    new = Head(old.weight + rng.normal(0, 0.05, old.weight.shape), old.bias - 0.6)
    card = read_card(path).model_copy(update={"version": "9.9.9"})
    assert write_head(path, target, new, card) < 1e-3
    views = some_views()
    logit, embedding, cam = answers(target, views)
    assert logit == pytest.approx(new.logit(embedding), abs=1e-3)
    assert cam.mean(axis=(1, 2)) == pytest.approx(logit, abs=1e-3)
    assert np.array_equal(embedding, answers(path, views)[1])
    assert read_card(target) == card


def test_the_old_head_written_back_gives_the_old_answers(tmp_path):
    write_head(SHIPPED, tmp_path / "same.onnx", read_head(SHIPPED), read_card(SHIPPED))
    photo = photo_bytes(4, (320, 240))
    before, after = (
        Detector.from_file(path, threads=1).detect(photo) for path in (SHIPPED, tmp_path / "same.onnx")
    )
    assert after.logit == pytest.approx(before.logit, abs=1e-5)
    assert np.array_equal(after.heatmap, before.heatmap)


def test_the_source_is_left_as_it_was(tiny, tmp_path):
    before = tiny.read_bytes()
    write_head(tiny, tmp_path / "new.onnx", Head(read_head(tiny).weight * 2, 1.0), tiny_card())
    assert tiny.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda head: Head(head.weight[:-1], head.bias), "weights"),
        (lambda head: Head(head.weight * np.nan, head.bias), "not finite"),
        (lambda head: Head(head.weight, float("inf")), "not finite"),
    ],
)
def test_a_head_that_does_not_fit_is_refused_and_nothing_is_written(change, says, tiny, tmp_path):
    with pytest.raises(ModelError, match=says):
        write_head(tiny, tmp_path / "new.onnx", change(read_head(tiny)), tiny_card())
    assert not (tmp_path / "new.onnx").exists()


def test_a_graph_whose_logit_is_not_of_its_embedding_is_refused(tmp_path):
    model = tiny_graph()
    for node in model.graph.node:
        if node.output[0] == "logit":
            node.op_type = "ReduceMax"
    path = tmp_path / "odd.onnx"
    onnx.save(model, path)
    write_card(path, tiny_card())
    with pytest.raises(ModelError, match="no linear head"):
        read_head(path)


def test_a_map_that_does_not_follow_the_head_is_refused(tmp_path):
    model = tiny_graph()
    # The map comes from a copy that is scaled: exchanging the head would leave it behind.
    scale = onnx.numpy_helper.from_array(np.array(2.0, np.float32), "scale")
    model.graph.initializer.append(scale)
    node = next(each for each in model.graph.node if each.output[0] == "cam")
    node.output[0] = "plain"
    model.graph.node.append(onnx.helper.make_node("Mul", ["plain", "scale"], ["cam"]))
    for each in model.graph.node:
        if each.output[0] == "logit":
            each.input[0] = "plain"
    path = tmp_path / "odd.onnx"
    onnx.save(model, path)
    write_card(path, tiny_card())
    with pytest.raises(ModelError, match="differs from its head"):
        write_head(path, tmp_path / "new.onnx", Head(read_head(path).weight * 2, 0.5), tiny_card())


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError):
        read_head(tmp_path / "no.onnx")
    shutil.rmtree(tmp_path / "none", ignore_errors=True)
    with pytest.raises(ModelError, match="no model file"):
        read_head(tmp_path / "none" / "x.onnx")
