"""The network: a timm backbone with one linear head, whose class activation map is part of its answer."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from safetensors.torch import load_file
from timm.models import PretrainedCfg
from torch import nn

from src.training.config import ModelConfig, Triple
from src.utils.errors import ConfigError


class NetOutput(NamedTuple):
    """Answer of the network for a batch.

    Attributes:
        logit: float32 [N], positive for AI-generated.
        embedding: float32 [N, D], the pooled last feature map.
        cam: float32 [N, h, w], the head applied to each place of the last feature map; its mean is the logit
            (class activation mapping, Zhou et al. 2016).
    """

    logit: torch.Tensor
    embedding: torch.Tensor
    cam: torch.Tensor


class PhotoNet(nn.Module):
    """A fully convolutional classifier: any input side of 32 px and more works.

    Args:
        backbone: a timm model built with `num_classes=0`, whose `forward_features` gives [N, D, h, w].
        dropout: probability of dropping a feature before the head, in training only.
    """

    def __init__(self, backbone: nn.Module, dropout: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(int(backbone.num_features), 1)  # type: ignore[arg-type]
        # From zero every photo starts at probability 1/2 and the pretrained features are not shaken at once.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, image: torch.Tensor) -> NetOutput:
        """Score a batch, float32 [N, 3, H, W]."""
        features = self.backbone.forward_features(image)  # type: ignore[operator]
        embedding = features.mean((2, 3))
        logit = self.head(self.dropout(embedding))[:, 0]
        cam = torch.einsum("ndhw,d->nhw", features, self.head.weight[0]) + self.head.bias
        return NetOutput(logit, embedding, cam)


def normalisation(config: ModelConfig) -> tuple[Triple, Triple]:
    """Mean and standard deviation by channel: as configured, else what timm states for the architecture."""
    stated = _known(config.architecture)
    return config.mean or _triple(stated.mean), config.std or _triple(stated.std)


def _known(architecture: str) -> PretrainedCfg:
    """What timm states of an architecture.

    Raises:
        ConfigError: timm has no model of this name.
    """
    stated = timm.get_pretrained_cfg(architecture) if timm.is_model(architecture) else None
    if stated is None:
        raise ConfigError(f"timm has no model named {architecture!r}")
    return stated


def _triple(values: Sequence[float]) -> Triple:
    red, green, blue = values
    return red, green, blue


def build_model(config: ModelConfig) -> PhotoNet:
    """Build the network with its start weights: from timm's hub, a local file, an earlier run, or random.

    Raises:
        ConfigError: timm does not know the architecture, it has no feature map, or the file does not fit it.
    """
    _known(config.architecture)
    from_hub = config.initial_weights == "hub"
    backbone = timm.create_model(config.architecture, pretrained=from_hub, num_classes=0)
    if config.initial_weights == "file":
        _load(backbone, _weights_file(config))
    model = PhotoNet(backbone, config.dropout)
    if config.initial_weights == "run":
        path = _weights_file(config)
        try:
            model.load_state_dict(_checkpoint(path)["average"])
        except RuntimeError as error:
            raise ConfigError(f"the run of {path} had another network: {error}") from error
    return model


def steps_before(config: ModelConfig) -> int:
    """Optimiser steps that the start weights have behind them: those of the earlier run, else none.

    Raises:
        ConfigError: the earlier run's checkpoint cannot be read.
    """
    if config.initial_weights != "run":
        return 0
    state = _checkpoint(_weights_file(config))["state"]
    return int(state["step"]) + int(state.get("steps_before", 0))


def check_start(config: ModelConfig, held_out_fold: int | None) -> None:
    """Refuse start weights that saw the shops which the new run must not see.

    Raises:
        ConfigError: The earlier run left another fold out, or none.
    """
    if config.initial_weights != "run":
        return
    path = _weights_file(config)
    earlier = _checkpoint(path)["held_out_fold"]
    if earlier != held_out_fold:
        raise ConfigError(f"the run of {path} left out fold {earlier}, not {held_out_fold}")


def _weights_file(config: ModelConfig) -> Path:
    if config.weights_file is None:
        raise ConfigError(
            f"model.initial_weights is `{config.initial_weights}`, but model.weights_file is not set"
        )
    return config.weights_file


def _checkpoint(path: Path) -> dict[str, Any]:
    """What `Trainer.save` wrote."""
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, pickle.UnpicklingError) as error:
        raise ConfigError(f"checkpoint {path}: {error}") from error
    return saved


def _load(backbone: nn.Module, path: Path) -> None:
    try:
        tensors = load_file(path)
    except OSError as error:
        raise ConfigError(f"start weights {path}: {error}") from error
    weights = {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }
    try:
        missing, unexpected = backbone.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise ConfigError(f"start weights {path} do not fit the architecture: {error}") from error
    # A head of another task may be left over; a layer without weights would stay random unnoticed.
    if missing or any(not name.startswith("classifier") for name in unexpected):
        raise ConfigError(f"start weights {path}: missing {missing[:3]}, unexpected {unexpected[:3]}")
