"""Only a file of the released contract is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from src.inference.session import Device, Session
from src.utils.errors import ConfigError, ModelError
from src.utils.model_card import METADATA_KEY
from tests.support.tiny_model import tiny_card, tiny_graph


def save(path: Path, model: onnx.ModelProto, card: str | None) -> Path:
    if card is not None:
        helper.set_model_props(model, {METADATA_KEY: card})
    onnx.save(model, str(path))
    return path


def test_card_comes_back_from_the_file(model_path: Path) -> None:
    assert Session.load(model_path, threads=1).card == tiny_card()


def test_missing_file_is_named_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model file 'gone.onnx'") as caught:
        Session.load(tmp_path / "gone.onnx")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 50])
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"not a usable ONNX file|no model card"):
        Session.load(path)


def test_truncated_model_is_refused(tmp_path: Path, model_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(model_path.read_bytes()[:10_000])
    with pytest.raises(ModelError):
        Session.load(path)


def test_model_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="carries no model card"):
        Session.load(save(tmp_path / "m.onnx", tiny_graph(), None))


def test_model_with_a_bad_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="invalid model card"):
        Session.load(save(tmp_path / "m.onnx", tiny_graph(), '{"name": "half a card"}'))


@pytest.mark.parametrize("name", ["logit", "embedding", "cam"])
def test_graph_that_lacks_an_output_is_refused(tmp_path: Path, name: str) -> None:
    model = tiny_graph()
    kept = [output for output in model.graph.output if output.name != name]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    with pytest.raises(ModelError, match="must map 'image' to logit, embedding, cam"):
        Session.load(save(tmp_path / "m.onnx", model, tiny_card().to_json()))


def test_graph_with_outputs_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    model = tiny_graph()
    model.graph.node[-1].attribute[0].i = 1  # keepdims: logit becomes [N, 1, 1]
    model.graph.output[0].ClearField("type")
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("logit", onnx.TensorProto.FLOAT, ["N", 1, 1])
    )
    with pytest.raises(ModelError, match=r"wrong shape|does not run"):
        Session.load(save(tmp_path / "m.onnx", model, tiny_card().to_json()))


def test_graph_of_a_fixed_size_that_is_not_the_plans_is_refused(tmp_path: Path) -> None:
    model = tiny_graph()
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 96
    with pytest.raises(ModelError, match="does not run on views of 32 px"):
        Session.load(save(tmp_path / "m.onnx", model, tiny_card().to_json()))


def test_no_more_memory_is_warmed_up_than_photos_will_need(tmp_path: Path, monkeypatch) -> None:
    seen = []
    run = Session.run
    monkeypatch.setattr(Session, "run", lambda self, images: seen.append(images.shape) or run(self, images))
    views = tiny_card().views.model_copy(update={"global_sizes": (96, 64), "crops": 0})
    Session.load(save(tmp_path / "m.onnx", tiny_graph(), tiny_card(views=views).to_json()), threads=1)
    assert (1, 3, 96, 96) in seen
    assert all(count == 1 for count, _, height, _ in seen if height > 64)
    assert any(count == 2 for count, *_ in seen)


def test_mean_of_the_map_is_the_logit_whatever_was_exported(tmp_path: Path) -> None:
    model = tiny_graph()
    # An exporter may leave the bias out of the map: add one to the logit alone.
    model.graph.node[-1].output[0] = "bare"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0.75], np.float32), "bias"))
    model.graph.node.append(helper.make_node("Add", ["bare", "bias"], ["logit"]))
    session = Session.load(save(tmp_path / "m.onnx", model, tiny_card().to_json()), threads=1)
    images = np.random.default_rng(0).standard_normal((3, 3, 64, 96)).astype(np.float32)
    raw = session.run(images)
    assert raw.logit.shape == (3,)
    assert raw.embedding.shape == (3, 1280)
    assert raw.cam.shape == (3, 2, 3)
    np.testing.assert_allclose(raw.cam.mean(axis=(1, 2)), raw.logit, atol=1e-5)


class FakeRuntime:
    """The runtime of a machine with or without CUDA: it computes by the CPU and says what it was told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, offered: list[str], *, starts: bool = True) -> None:
        self.asked: list[list[str]] = []
        real = onnxruntime.InferenceSession

        def session(path: str, options: object, *, providers: list[str]) -> object:
            self.asked.append(providers)
            found = real(path, options, providers=["CPUExecutionProvider"])
            monkeypatch.setattr(found, "get_providers", lambda: providers if starts else providers[-1:])
            return found

        monkeypatch.setattr(onnxruntime, "InferenceSession", session)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: offered)


CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@pytest.mark.parametrize(
    ("device", "offered", "asked"),
    [
        ("cpu", [CUDA, CPU], [CPU]),
        ("auto", [CUDA, CPU], [CUDA, CPU]),
        ("auto", ["AzureExecutionProvider", CPU], [CPU]),
        ("cuda", [CUDA, CPU], [CUDA, CPU]),
    ],
)
def test_a_gpu_is_used_where_it_was_asked_for_and_is_there(
    model_path: Path, monkeypatch: pytest.MonkeyPatch, device: Device, offered: list[str], asked: list[str]
) -> None:
    runtime = FakeRuntime(monkeypatch, offered)
    Session.load(model_path, 1, device)
    assert runtime.asked == [asked]


def test_without_a_word_the_cpu_computes(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime(monkeypatch, [CUDA, CPU])
    Session.load(model_path, 1)
    assert runtime.asked == [[CPU]]


def test_a_gpu_that_was_asked_for_and_is_not_there_is_said(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        FakeRuntime(patch, [CPU])
        with pytest.raises(ConfigError, match="onnxruntime-gpu"):
            Session.load(model_path, 1, "cuda")
    with monkeypatch.context() as patch:
        FakeRuntime(patch, [CUDA, CPU], starts=False)
        with pytest.raises(ConfigError, match="could not start CUDA"):
            Session.load(model_path, 1, "cuda")
        Session.load(model_path, 1, "auto")
