"""The linear head inside a model file: read from the graph, exchanged in a copy, checked by running both.

The graph gives `logit = w · embedding + b` and `cam`, the same head at each place. Whatever an exporter named
the head's tensors, they are those by which embedding and logit belong together.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from src.evaluation.card import read_card
from src.utils.errors import ModelError
from src.utils.model_card import METADATA_KEY, ModelCard

Floats = NDArray[np.float64]

PARITY_LIMIT = 1e-3
"""Largest difference of a logit that float32 may make."""
_PROBES = 6
_SIDES = (64, 96)
_NEW_BIAS = "refitted_head_bias"


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A linear head.

    Attributes:
        weight: float64 [D].
        bias: Added once a photo.
    """

    weight: Floats
    bias: float

    def logit(self, embedding: NDArray[np.floating]) -> Floats:
        """Logits [N] of embeddings [N, D]."""
        found: Floats = embedding.astype(np.float64) @ self.weight + self.bias
        return found


@dataclass(frozen=True, slots=True)
class _Places:
    """Names of the initializers that hold the head."""

    weights: tuple[str, ...]
    biases: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    logit: Floats
    embedding: Floats
    cam_mean: Floats


def read_head(path: Path) -> Head:
    """Read the head of a model file.

    Raises:
        ModelError: The file is unusable, or its graph has no linear head upon the embedding.
    """
    model = _load(path)
    return _find(model, _answers(path.read_bytes()))[0]


def write_head(source: Path, target: Path, head: Head, card: ModelCard) -> float:
    """Write a copy of a model file with another head and card, when that answers as the head says.

    Args:
        source: The file whose features stay.
        target: The file to write, replaced in one step.
        head: The new head.
        card: The new card.

    Returns:
        The largest difference of a logit, of the file against the head, over the probes.

    Raises:
        ModelError: The file has no such head, the head has another size, or the new file does not answer as
            the head says: by its logit, or by the mean of its activation map.
    """
    model = _load(source)
    before = _answers(source.read_bytes())
    old, places = _find(model, before)
    if head.weight.shape != old.weight.shape:
        raise ModelError(f"the head has {len(old.weight)} weights, the new one {len(head.weight)}")
    if not (np.isfinite(head.weight).all() and np.isfinite(head.bias)):
        raise ModelError("the new head holds a number that is not finite")
    for tensor in model.graph.initializer:
        if tensor.name in places.weights:
            _put(tensor, head.weight)
        elif tensor.name in places.biases:
            _put(tensor, np.array([head.bias]))
    if not places.biases:
        _add_bias(model, places.weights, head.bias)
    others = {entry.key: entry.value for entry in model.metadata_props if entry.key != METADATA_KEY}
    onnx.helper.set_model_props(model, {**others, METADATA_KEY: card.to_json()})
    content = model.SerializeToString()
    difference = _checked(before, _answers(content), head)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    try:
        draft.write_bytes(content)
        os.replace(draft, target)  # noqa: PTH105 - the call that is atomic on every system
    finally:
        draft.unlink(missing_ok=True)
    read_card(target)
    return difference


def _checked(before: _Answers, after: _Answers, head: Head) -> float:
    """Hold the new file's answers against the head; the features must be the old ones, bit for bit."""
    scale = max(1.0, float(np.abs(after.logit).max()))
    moved = float(np.abs(after.logit - head.logit(after.embedding)).max())
    mapped = float(np.abs(after.cam_mean - after.logit).max())
    if not np.array_equal(before.embedding, after.embedding):
        raise ModelError("the new file gives other embeddings than the old one")
    if not max(moved, mapped) <= PARITY_LIMIT * scale:  # NaN is refused too
        raise ModelError(f"the new file differs from its head by {max(moved, mapped):.2e} of a logit")
    return max(moved, mapped)


def _load(path: Path) -> Any:  # noqa: ANN401 - onnx ships no types
    read_card(path)  # says what is wrong with a file that is no model
    return onnx.load_model(str(path))


def _answers(content: bytes) -> _Answers:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        rng = np.random.default_rng(7)
        logits, embeddings, means = [], [], []
        for number in range(_PROBES):
            shade = rng.normal(0.0, 0.7, (1, 3, 1, 1))
            view = (shade + rng.normal(0.0, 0.5, (1, 3, *_SIDES))).astype(np.float32) * (1 + number % 2)
            logit, embedding, cam = session.run(["logit", "embedding", "cam"], {"image": view})
            logits.append(float(logit[0]))
            embeddings.append(embedding[0].astype(np.float64))
            means.append(float(cam[0].mean(dtype=np.float64)))
    except Exception as error:  # the runtime's errors share no base class but this
        raise ModelError("the graph does not run on small views") from error
    return _Answers(np.array(logits), np.stack(embeddings), np.array(means))


def _find(model: Any, answers: _Answers) -> tuple[Head, _Places]:  # noqa: ANN401 - onnx ships no types
    """Every tensor that turns embeddings into logits but for one constant, and that constant's tensors."""
    size = answers.embedding.shape[1]
    scale = max(1.0, float(np.abs(answers.logit).max()))
    weights: dict[str, Floats] = {}
    constant = 0.0
    for name, values in _tensors(model):
        if values.size != size:
            continue
        rest = answers.logit - answers.embedding @ values
        if np.ptp(rest) <= PARITY_LIMIT * scale:
            weights[name] = values
            constant = float(rest.mean())
    if not weights:
        raise ModelError("the graph has no linear head upon its embedding")
    biases = [
        (name, float(values[0]))
        for name, values in _tensors(model)
        if values.size == 1 and abs(values[0] - constant) <= PARITY_LIMIT * scale and _is_added(model, name)
    ]
    weight = next(iter(weights.values()))
    bias = biases[0][1] if biases else constant
    return Head(weight, bias), _Places(tuple(weights), tuple(name for name, _ in biases))


def _tensors(model: Any) -> Iterator[tuple[str, Floats]]:  # noqa: ANN401 - onnx ships no types
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            yield tensor.name, numpy_helper.to_array(tensor).astype(np.float64).ravel()


def _is_added(model: Any, name: str) -> bool:  # noqa: ANN401 - onnx ships no types
    """Whether a scalar is the addend of a layer: bounds and sizes may have the same value by chance."""
    places = {"Gemm": 2, "Conv": 2, "Add": 1}
    return any(
        node.op_type in places
        and name in (node.input if node.op_type == "Add" else list(node.input)[places[node.op_type] :])
        for node in model.graph.node
    )


def _put(tensor: Any, values: Floats) -> None:  # noqa: ANN401 - onnx ships no types
    shaped = values.astype(np.float32).reshape(tuple(tensor.dims))
    tensor.CopyFrom(numpy_helper.from_array(shaped, tensor.name))


def _add_bias(model: Any, weights: tuple[str, ...], bias: float) -> None:  # noqa: ANN401 - onnx ships no types
    """Give a layer without a bias one."""
    layers = [
        node
        for node in model.graph.node
        if node.op_type in {"Gemm", "Conv"} and len(node.input) == 2 and node.input[1] in weights
    ]
    if not layers:
        raise ModelError("the graph's head has no bias and no layer that could take one")
    model.graph.initializer.append(numpy_helper.from_array(np.array([bias], np.float32), _NEW_BIAS))
    for node in layers:
        node.input.append(_NEW_BIAS)
