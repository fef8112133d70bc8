"""A trained network and its card → one ONNX file, admitted only when it answers as the network does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import structlog
import torch
from numpy.typing import NDArray
from torch import nn

from src.training.model import PhotoNet
from src.utils.errors import ModelError
from src.utils.model_card import METADATA_KEY, ModelCard

log = structlog.get_logger(__name__)

OUTPUTS = ("logit", "embedding", "cam")
PARITY_BATCHES = (1, 3, 8)
PARITY_LIMIT = 1e-4
"""Largest difference of probability between the file and the network."""


class _Tuple(nn.Module):
    """The exporter wants a plain tuple."""

    def __init__(self, model: PhotoNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return tuple(self.model(image))


def export(model: PhotoNet, card: ModelCard, path: Path, photos: Sequence[NDArray[np.float32]]) -> float:
    """Write `path` when it agrees with the network on `photos`.

    Args:
        model: the network; it is put into evaluation mode on the CPU.
        card: goes into the file's metadata.
        path: the file to write; an old one is replaced only by a file that passed.
        photos: views of real photos, each float32 [3, H, W], at least eight of each size that occurs.

    Returns:
        The largest difference of probability that was seen.

    Raises:
        ModelError: a probability differs by more than `PARITY_LIMIT`, or is no number; or photos are too few.
    """
    model = model.cpu().eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    partial = path.with_suffix(".part.onnx")
    path.parent.mkdir(parents=True, exist_ok=True)
    batch, side = torch.export.Dim("batch", min=1, max=4096), torch.export.Dim.AUTO
    torch.onnx.export(
        _Tuple(model).eval(),
        (torch.zeros(2, 3, 224, 256),),
        str(partial),
        input_names=["image"],
        output_names=list(OUTPUTS),
        dynamic_shapes=({0: batch, 2: side, 3: side},),
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    proto = onnx.load(partial)
    # The exporter notes source files and line numbers in every node; they are no part of a model.
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del value.metadata_props[:]
    onnx.helper.set_model_props(proto, {METADATA_KEY: card.to_json()})
    onnx.save(proto, partial)
    try:
        difference = checked_parity(model, partial, photos)
    except ModelError:
        partial.unlink()
        raise
    partial.replace(path)
    log.info("exported", path=str(path), parity=difference)
    return difference


def checked_parity(model: PhotoNet, path: Path, photos: Sequence[NDArray[np.float32]]) -> float:
    """As `parity`.

    Raises:
        ModelError: as for `export`.
    """
    difference = parity(model, path, photos)
    if not difference <= PARITY_LIMIT:  # NaN is refused too
        raise ModelError(f"the exported file differs from the network by {difference:.2e} in probability")
    return difference


def parity(model: PhotoNet, path: Path, photos: Sequence[NDArray[np.float32]]) -> float:
    """Largest difference of sigmoid(logit) between network and file, in batches of `PARITY_BATCHES`.

    Args:
        model: the network, in evaluation mode.
        path: the file.
        photos: as in `export`.

    Raises:
        ModelError: there are fewer photos of a size than the largest batch takes.
    """
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    by_size: dict[tuple[int, ...], list[NDArray[np.float32]]] = defaultdict(list)
    for photo in photos:
        by_size[photo.shape].append(photo)
    if not by_size or min(map(len, by_size.values())) < max(PARITY_BATCHES):
        raise ModelError(f"parity needs {max(PARITY_BATCHES)} photos of each size")
    largest = 0.0
    for batch in _batches(by_size.values()):
        (logit,) = session.run(["logit"], {"image": batch})
        with torch.inference_mode():
            expected = model(torch.from_numpy(batch)).logit.sigmoid().numpy()
        # np.maximum, unlike max, keeps a NaN.
        largest = float(np.maximum(largest, np.abs(1 / (1 + np.exp(-logit)) - expected).max()))
    return largest


def _batches(groups: Iterable[list[NDArray[np.float32]]]) -> Iterator[NDArray[np.float32]]:
    for group in groups:
        for size in PARITY_BATCHES:
            for start in range(0, len(group) - size + 1, size):
                yield np.stack(group[start : start + size])
