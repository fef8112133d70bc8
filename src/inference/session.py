"""A model file in, a warm ONNX Runtime session and its card out; a file of another contract is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from src.utils.cores import usable_cores
from src.utils.errors import ConfigError, ModelError
from src.utils.model_card import METADATA_KEY, ModelCard

Device = Literal["auto", "cpu", "cuda"]
"""What computes. `cpu`: as in the service. `cuda`: a GPU, or an error. `auto`: a GPU where there is one.

A GPU rounds otherwise: the last digits differ, and a label near a threshold may.
"""

INPUT = "image"
OUTPUTS = ("logit", "embedding", "cam")
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_SMALL = 64
"""Pixels of a view that costs next to nothing."""


class Runtime(Protocol):
    """What is used of `onnxruntime.InferenceSession`, which ships no types."""

    def run(self, names: list[str], feed: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Run the graph."""
        ...

    def get_inputs(self) -> list[Any]:
        """List the inputs; each has a `name`."""
        ...

    def get_outputs(self) -> list[Any]:
        """List the outputs; each has a `name`."""
        ...

    def get_modelmeta(self) -> Any:  # noqa: ANN401
        """Return the metadata; `custom_metadata_map` is a dict of strings."""
        ...


@dataclass(frozen=True, slots=True)
class Raw:
    """The network's answers for a batch of N views of one size.

    Attributes:
        logit: float32 [N].
        embedding: float32 [N, D], the pooled features before the head.
        cam: float32 [N, h, w], shifted so that the mean over h and w is the logit.
    """

    logit: NDArray[np.float32]
    embedding: NDArray[np.float32]
    cam: NDArray[np.float32]


class Session:
    """One loaded network. Calls may come from several threads at once."""

    def __init__(self, runtime: Runtime, card: ModelCard) -> None:
        self._runtime = runtime
        self.card = card

    @classmethod
    def load(cls, path: Path, threads: int | None = None, device: Device = "cpu") -> Session:
        """Load and check a model file, and run it at each size of view so that the first photo is not slow.

        Args:
            path: The ONNX file.
            threads: Threads of one inference; all cores by default.
            device: What computes.

        Raises:
            ModelError: No such file, no ONNX, no valid card, or a graph of another contract.
            ConfigError: A GPU was asked for, and the installed runtime has none or cannot start it.
        """
        if not path.is_file():
            raise ModelError(f"no model file {path.name!r}; start in the checkout or set DETECTOR_MODEL_PATH")
        runtime = _open(path, threads, device)
        text = runtime.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise ModelError(f"{path.name!r} carries no model card")
        session = cls(runtime, ModelCard.from_json(text))
        session._check_graph()
        session._warm_up()
        return session

    def run(self, images: NDArray[np.float32]) -> Raw:
        """Score views.

        Args:
            images: float32 [N, 3, H, W], normalised as the card says; N >= 1.
        """
        logit, embedding, cam = self._runtime.run(list(OUTPUTS), {INPUT: images})
        # Whether the exported map holds the head's bias is the exporter's affair; here its mean is the logit.
        cam = cam + (logit - cam.mean(axis=(1, 2)))[:, None, None]
        return Raw(logit=logit, embedding=embedding, cam=cam)

    def _check_graph(self) -> None:
        inputs = [node.name for node in self._runtime.get_inputs()]
        outputs = {node.name for node in self._runtime.get_outputs()}
        if inputs != [INPUT] or not outputs.issuperset(OUTPUTS):
            raise ModelError(f"the graph must map {INPUT!r} to {', '.join(OUTPUTS)}")

    def _warm_up(self) -> None:
        views = self.card.views
        # The arena keeps the peak of what ever ran, and whole photos are scored one by one: that the graph
        # takes several views is shown with crops, or with small ones.
        several = views.crop_size if views.crops else _SMALL
        for count, size in [(2, several), *((1, size) for size in views.global_sizes)]:
            batch = np.zeros((count, 3, size, size), np.float32)
            try:
                raw = self.run(batch)
            except Exception as error:
                raise ModelError(f"the graph does not run on views of {size} px") from error
            expected = (raw.logit.shape == (count,), raw.embedding.ndim == 2, raw.cam.ndim == 3)
            if not all(expected) or not np.isfinite(raw.logit).all():
                raise ModelError("the graph's outputs have the wrong shape or are not finite")


def _open(path: Path, threads: int | None, device: Device) -> Runtime:
    # Imported here: the app must be importable, and its liveness answer there, before the runtime is loaded.
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or usable_cores()
    options.inter_op_num_threads = 1
    # The arena keeps the peak of what ever ran, so callers keep their batches small; without it, large
    # buffers go back to the system after every call and inference takes up to twice as long.
    options.enable_cpu_mem_arena = True
    # Spinning threads take the cores that decode the next photo.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    providers = _providers(device, onnxruntime.get_available_providers())
    try:
        runtime = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # the runtime's errors share no base class but this
        raise ModelError(f"{path.name!r} is not a usable ONNX file") from error
    if device == "cuda" and _CUDA not in runtime.get_providers():
        # The runtime goes on by the CPU when CUDA's libraries are missing, and only logs it.
        raise ConfigError(
            "device cuda: the runtime could not start CUDA; are its libraries and driver there?"
        )
    opened: Runtime = runtime
    return opened


def _providers(device: Device, offered: Sequence[str]) -> list[str]:
    """What the runtime is to compute by, the first that can.

    Raises:
        ConfigError: A GPU was asked for, and the runtime has none.
    """
    if device == "cpu" or (device == "auto" and _CUDA not in offered):
        return [_CPU]
    if _CUDA not in offered:
        raise ConfigError("device cuda: the installed runtime has no CUDA; install onnxruntime-gpu instead")
    return [_CUDA, _CPU]
