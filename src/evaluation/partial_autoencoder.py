"""A generator's latent autoencoder as an ONNX graph, built from its weights: a photo in, its copy out.

The network is the tiny autoencoder (TAESD, Ollin Boer Bohan, MIT) in the form for FLUX.2's latents: what a
region of a photo goes through when it is edited by such a generator. The weights are not part of the project.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file

from src.utils.errors import DataError

Weights = dict[str, NDArray[np.float32]]

STRIDE = 8
ENCODER, DECODER = "taef2_encoder.safetensors", "taef2_decoder.safetensors"
# A stage of each sequence by its number in the weights' names; what has no weights is named here alone.
_ENCODER = (
    ("conv", 0), ("block", 1), ("stride", 2), ("block", 3), ("block", 4), ("block", 5), ("stride", 6),
    ("block", 7), ("block", 8), ("block", 9), ("stride", 10), ("block", 11), ("block", 12), ("block", 13),
    ("conv", 14),
)  # fmt: skip
_DECODER = (
    ("clamp", 0), ("conv", 1), ("relu", 2), ("block", 3), ("block", 4), ("block", 5), ("double", 6),
    ("conv", 7), ("block", 8), ("block", 9), ("block", 10), ("double", 11), ("conv", 12), ("block", 13),
    ("block", 14), ("block", 15), ("double", 16), ("conv", 17), ("block", 18), ("conv", 19),
)  # fmt: skip
_GROUPS = 4
_CLAMP = 3.0


class Autoencoder:
    """A loaded autoencoder; may be shared by threads.

    Args:
        encoder: Tensors of the encoder by name.
        decoder: Tensors of the decoder by name.
    """

    def __init__(self, encoder: Weights, decoder: Weights) -> None:
        model = _model(encoder, decoder)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    @classmethod
    def from_folder(cls, folder: Path) -> Autoencoder:
        """Read both halves' weights.

        Raises:
            DataError: A file is missing or no weights.
        """
        try:
            encoder, decoder = (load_file(folder / name) for name in (ENCODER, DECODER))
        except (OSError, SafetensorError) as error:
            raise DataError(f"the autoencoder needs {ENCODER} and {DECODER} in one folder") from error
        return cls(*({name: each.astype(np.float32) for name, each in w.items()} for w in (encoder, decoder)))

    def copy(self, image: Image.Image) -> Image.Image:
        """Send an RGB picture through the latent space; same size, edges repeated where it is no multiple."""
        pixels = np.asarray(image, np.float32) / 255
        height, width = pixels.shape[:2]
        padded = np.pad(pixels, ((0, -height % STRIDE), (0, -width % STRIDE), (0, 0)), mode="edge")
        (out,) = self._session.run(["copy"], {"image": padded.transpose(2, 0, 1)[None]})
        levels = np.clip(np.rint(255 * out[0].transpose(1, 2, 0)[:height, :width]), 0, 255)
        return Image.fromarray(levels.astype(np.uint8))


class _Builder:
    """Nodes of the graph in their order."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def constant(self, array: NDArray[np.generic]) -> str:
        name = f"w{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - whatever ONNX knows
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def conv(self, value: str, weights: Weights, name: str, stride: int = 1) -> str:
        kernel = weights[f"{name}.weight"]
        inputs = [value, self.constant(kernel)]
        if f"{name}.bias" in weights:
            inputs.append(self.constant(weights[f"{name}.bias"]))
        rim = kernel.shape[-1] // 2
        return self.add("Conv", *inputs, pads=[rim] * 4, strides=[stride] * 2)

    def block(self, value: str, weights: Weights, name: str) -> str:
        """Three convolutions beside the identity; next to the latents, a normalised branch comes first."""
        if f"{name}.pool.0.weight" in weights:
            value = self.add("Add", value, self._branch(value, weights, f"{name}.pool"))
        inner = self.add("Relu", self.conv(value, weights, f"{name}.conv.0"))
        inner = self.add("Relu", self.conv(inner, weights, f"{name}.conv.2"))
        return self.add("Relu", self.add("Add", value, self.conv(inner, weights, f"{name}.conv.4")))

    def _branch(self, value: str, weights: Weights, name: str) -> str:
        inner = self.conv(value, weights, f"{name}.0")
        # Group normalisation is instance normalisation of the groups, then scale and shift by channel.
        grouped = self.add("Reshape", inner, self.constant(np.array([0, _GROUPS, -1], np.int64)))
        one, zero = (self.constant(np.full(_GROUPS, value, np.float32)) for value in (1, 0))
        even = self.add("InstanceNormalization", grouped, one, zero, epsilon=1e-5)
        even = self.add("Reshape", even, self.add("Shape", inner))
        scale, shift = (
            self.constant(weights[f"{name}.1.{kind}"][:, None, None]) for kind in ("weight", "bias")
        )
        even = self.add("Relu", self.add("Add", self.add("Mul", even, scale), shift))
        return self.conv(even, weights, f"{name}.3")

    def stage(self, value: str, weights: Weights, kind: str, name: str) -> str:
        if kind == "block":
            return self.block(value, weights, name)
        if kind in ("conv", "stride"):
            return self.conv(value, weights, name, 2 if kind == "stride" else 1)
        if kind == "double":
            scales = self.constant(np.array([1, 1, 2, 2], np.float32))
            return self.add("Resize", value, "", scales, mode="nearest", nearest_mode="floor",
                            coordinate_transformation_mode="asymmetric")  # fmt: skip
        if kind == "relu":
            return self.add("Relu", value)
        limit = self.constant(np.array(_CLAMP, np.float32))
        return self.add("Mul", self.add("Tanh", self.add("Div", value, limit)), limit)


def _model(encoder: Weights, decoder: Weights) -> onnx.ModelProto:
    builder, value = _Builder(), "image"
    try:
        for weights, stages in ((encoder, _ENCODER), (decoder, _DECODER)):
            for kind, number in stages:
                value = builder.stage(value, weights, kind, str(number))
    except KeyError as error:
        raise DataError(f"the autoencoder's weights lack {error.args[0]}") from error
    builder.nodes.append(helper.make_node("Identity", [value], ["copy"]))
    shape: list[str | int | None] = [1, 3, "height", "width"]
    graph = helper.make_graph(
        builder.nodes,
        "autoencoder",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("copy", TensorProto.FLOAT, [1, 3, "up", "across"])],
        builder.tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
