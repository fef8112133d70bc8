"""A model file as the registry sees it: digest, card, and the tensors that go in and come out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.utils.errors import ModelError
from src.utils.model_card import METADATA_KEY, ModelCard

_DTYPES = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(double)": "float64"}
_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Tensor:
    """Name, NumPy dtype and shape of an input or output; -1 for a side of any length."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Facts of a model file."""

    path: Path
    sha256: str
    bytes: int
    card: ModelCard
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def file_sha256(path: Path) -> str:
    """Digest of a file's content, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def inspect_model(path: Path) -> ModelFile:
    """Read a model file's facts.

    Raises:
        ModelError: No such file, no ONNX, or no valid card in it.
    """
    import onnxruntime  # noqa: PLC0415 - serving must be importable before the runtime is loaded

    if not path.is_file():
        raise ModelError(f"no model file {path.name}")
    options = onnxruntime.SessionOptions()
    # Only names and shapes are read: optimising the graph for a run would cost seconds.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no base class but this
        raise ModelError(f"{path.name} is not a usable ONNX file") from error
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ModelError(f"{path.name} carries no model card")
    return ModelFile(
        path=path,
        sha256=file_sha256(path),
        bytes=path.stat().st_size,
        card=ModelCard.from_json(text),
        inputs=tuple(_tensor(node) for node in session.get_inputs()),
        outputs=tuple(_tensor(node) for node in session.get_outputs()),
    )


def _tensor(node: Any) -> Tensor:  # noqa: ANN401 - the runtime ships no types
    shape = tuple(side if isinstance(side, int) else -1 for side in node.shape)
    return Tensor(node.name, _DTYPES.get(node.type, "float32"), shape)
