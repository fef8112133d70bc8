"""The gradient of a model file's logit by its input, as a second ONNX graph; no training framework is needed.

The shipped graph is a chain of few operations. The runtime folds its constants for one input size; the chain
rule is then written down node by node, so that an attack knows exactly what is served.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from src.utils.errors import ModelError

Array = NDArray[np.float32]
Gradient = Callable[[Array], tuple[float, Array]]
"""float32 [1, 3, H, W] -> the logit, and its gradient of the same shape."""

_OUTPUT = "gradient"


def gradient_of(model: Path, height: int, width: int) -> Gradient:
    """Make the gradient function of a model for one input size.

    Raises:
        ModelError: The file has an operation whose derivative is not known here.
    """
    session = ort.InferenceSession(
        _with_gradient(_folded(model, height, width)).SerializeToString(),
        _options(ort.GraphOptimizationLevel.ORT_ENABLE_ALL),
        providers=["CPUExecutionProvider"],
    )

    def gradient(image: Array) -> tuple[float, Array]:
        logit, slope = session.run(["logit", _OUTPUT], {"image": image})
        return float(np.ravel(logit)[0]), np.asarray(slope, np.float32)

    return gradient


def _options(level: Any) -> Any:  # noqa: ANN401 - the runtime ships no types
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return options


def _folded(path: Path, height: int, width: int) -> Any:  # noqa: ANN401 - onnx ships no types
    """The graph at one input size, with paddings, normalisations and shapes folded into its convolutions."""
    model = onnx.load_model(str(path))
    dims = model.graph.input[0].type.tensor_type.shape.dim
    for dim, value in zip(dims, (1, 3, height, width), strict=True):
        dim.Clear()
        dim.dim_value = value
    with TemporaryDirectory() as scratch:
        target = Path(scratch) / "folded.onnx"
        options = _options(ort.GraphOptimizationLevel.ORT_ENABLE_BASIC)
        options.optimized_model_filepath = str(target)
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.shape_inference.infer_shapes(onnx.load_model(str(target)))


class _Chain:
    """Nodes of the backward pass, last operation first."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - onnx ships no types
        graph = model.graph
        self.constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        values = [*graph.input, *graph.value_info, *graph.output]
        self.shapes = {
            each.name: tuple(dim.dim_value for dim in each.type.tensor_type.shape.dim) for each in values
        }
        self.nodes: list[Any] = []
        self.new: dict[str, NDArray[np.generic]] = {}
        self.slopes: dict[str, str] = {}

    def constant(self, array: NDArray[np.generic]) -> str:
        """A new constant's name."""
        name = f"back_constant_{len(self.new)}"
        self.new[name] = array
        return name

    def add(self, kind: str, inputs: list[str], **attributes: Any) -> str:  # noqa: ANN401 - whatever ONNX knows
        """A new node's output."""
        name = f"back_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def pass_on(self, value: str, slope: str) -> None:
        """Add a share to the gradient by a value."""
        if value in self.constants:
            return
        known = self.slopes.get(value)
        self.slopes[value] = slope if known is None else self.add("Add", [known, slope])


def _with_gradient(model: Any) -> Any:  # noqa: ANN401 - onnx ships no types
    chain = _Chain(model)
    for node in reversed(model.graph.node):
        # Whatever the logit does not hang on (the activation map) has no gradient.
        if node.output[0] == "logit":
            chain.slopes["logit"] = chain.constant(np.ones(chain.shapes["logit"], np.float32))
        slope = chain.slopes.get(node.output[0])
        if slope is not None:
            rule = _RULES.get(node.op_type)
            if rule is None:
                raise ModelError(f"no derivative of {node.op_type} is known here")
            rule(chain, node, slope)
    final = chain.slopes.get("image")
    if final is None:
        raise ModelError("the logit does not hang on the image")
    chain.nodes.append(helper.make_node("Identity", [final], [_OUTPUT]))
    model.graph.node.extend(chain.nodes)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in chain.new.items())
    shape = chain.shapes["image"]
    model.graph.output.append(helper.make_tensor_value_info(_OUTPUT, onnx.TensorProto.FLOAT, shape))
    return model


def _attributes(node: Any) -> dict[str, Any]:  # noqa: ANN401 - onnx ships no types
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _conv(chain: _Chain, node: Any, slope: str) -> None:  # noqa: ANN401 - onnx ships no types
    """At stride 1 a convolution with turned kernels, which the runtime does fast; else a transposed one."""
    known = _attributes(node)
    weight, group = chain.constants[node.input[1]], known.get("group", 1)
    top, left, bottom, right = known.get("pads", (0, 0, 0, 0))
    strides = known.get("strides", (1, 1))
    high, wide = weight.shape[2:]
    if tuple(known.get("dilations", (1, 1))) != (1, 1):
        raise ModelError("no derivative of a dilated convolution is known here")
    if tuple(strides) == (1, 1):
        turned = weight.reshape(group, -1, *weight.shape[1:]).transpose(0, 2, 1, 3, 4)[..., ::-1, ::-1]
        kernel = np.ascontiguousarray(turned.reshape(-1, *turned.shape[2:]))
        pads = [high - 1 - top, wide - 1 - left, high - 1 - bottom, wide - 1 - right]
        back = chain.add("Conv", [slope, chain.constant(kernel)], group=group, pads=pads)
    else:
        inside, outside = chain.shapes[node.input[0]][2:], chain.shapes[node.output[0]][2:]
        reach = [
            (out - 1) * stride + size - before - after
            for out, stride, size, before, after in zip(
                outside, strides, (high, wide), (top, left), (bottom, right), strict=True
            )
        ]
        rest = [whole - reached for whole, reached in zip(inside, reach, strict=True)]
        back = chain.add(
            "ConvTranspose",
            [slope, node.input[1]],
            group=group,
            strides=list(strides),
            pads=[top, left, bottom, right],
            output_padding=rest,
        )
    chain.pass_on(node.input[0], back)


def _clip(chain: _Chain, node: Any, slope: str) -> None:  # noqa: ANN401 - onnx ships no types
    value, low, high = node.input
    above, below = chain.add("Greater", [value, low]), chain.add("Less", [value, high])
    inside = chain.add("Cast", [chain.add("And", [above, below])], to=onnx.TensorProto.FLOAT)
    chain.pass_on(value, chain.add("Mul", [slope, inside]))


def _add(chain: _Chain, node: Any, slope: str) -> None:  # noqa: ANN401 - onnx ships no types
    for value in node.input:
        if value not in chain.constants and chain.shapes[value] != chain.shapes[node.output[0]]:
            raise ModelError("no derivative of an addition that repeats an input is known here")
        chain.pass_on(value, slope)


def _mean(chain: _Chain, node: Any, slope: str) -> None:  # noqa: ANN401 - onnx ships no types
    shape = chain.shapes[node.input[0]]
    axes = tuple(int(axis) for axis in np.ravel(chain.constants[node.input[1]]))
    kept = [1 if index in axes else size for index, size in enumerate(shape)]
    count = int(np.prod([shape[axis] for axis in axes]))
    upright = chain.add("Reshape", [slope, chain.constant(np.array(kept, np.int64))])
    spread = chain.add("Expand", [upright, chain.constant(np.array(shape, np.int64))])
    chain.pass_on(node.input[0], chain.add("Mul", [spread, chain.constant(np.array(1 / count, np.float32))]))


def _gemm(chain: _Chain, node: Any, slope: str) -> None:  # noqa: ANN401 - onnx ships no types
    known = _attributes(node)
    if known.get("transA", 0) or known.get("alpha", 1.0) != 1.0:
        raise ModelError("no derivative of this matrix product is known here")
    weight = chain.constants[node.input[1]]
    back = weight if known.get("transB", 0) else weight.T
    chain.pass_on(node.input[0], chain.add("MatMul", [slope, chain.constant(np.ascontiguousarray(back))]))


def _reshaped(chain: _Chain, node: Any, slope: str) -> None:  # noqa: ANN401 - onnx ships no types
    """Of a logit that is taken out of a column: one number stays one number."""
    shape = chain.shapes[node.input[0]]
    if np.prod(shape) != 1:
        raise ModelError("no derivative of picking one of several values is known here")
    back = chain.add("Reshape", [slope, chain.constant(np.array(shape, np.int64))])
    chain.pass_on(node.input[0], back)


_RULES: dict[str, Callable[[_Chain, Any, str], None]] = {
    "Conv": _conv,
    "Clip": _clip,
    "Add": _add,
    "ReduceMean": _mean,
    "Gemm": _gemm,
    "Gather": _reshaped,
    "Squeeze": _reshaped,
    "Reshape": _reshaped,
}
