"""The training run as a typed object, read from one YAML file; an unknown key is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.utils.errors import ConfigError
from src.utils.model_card import ViewPlan

Share = Annotated[float, Field(ge=0, le=1)]
Triple = tuple[float, float, float]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class DataConfig(_Section):
    """Where the photos, their facts and their splits are; `cache` holds decoded pixels and can be deleted."""

    manifest: Path = Path("data/manifest.csv")
    splits: Path = Path("data/processed/splits.csv")
    raw: Path = Path("data/raw")
    cache: Path = Path("data/processed/cache")
    held_out_generators: tuple[str, ...] = ()
    """Generators kept from training; the splits must agree (`src.data.splits --held-out-generator`)."""
    held_out_fold: int | None = None
    """Train on every photo outside this fold of whole shops; None trains on the `train` split."""


class ModelConfig(_Section):
    """The network: any timm convolutional classifier with one linear head."""

    architecture: str = "tf_efficientnet_b0"
    initial_weights: Literal["hub", "file", "run", "none"] = "hub"
    weights_file: Path | None = None
    """For `file` a safetensors file of the backbone; for `run` an earlier run's checkpoint, whose average is
    trained on. `{fold}` in it stands for the fold that a fold network leaves out."""
    dropout: Share = 0.2
    mean: Triple | None = None
    std: Triple | None = None
    """None takes what timm states for the architecture's own weights."""


class SamplingConfig(_Section):
    """How often each shop, generator family and kind of photo is shown; powers below 1 damp large ones."""

    source_power: Share = 0.4
    family_power: Share = 0.6
    style_weights: dict[str, float] = {"seller": 0.38, "studio": 0.47, "render": 0.15}
    crop_share: Share = 0.5
    """Share of samples cut at the photo's own scale; the others show the whole photo."""
    splice_share: Share = 0.0
    """Share of the whole photos into which a rectangle of a photo of the other label is set."""


class AugmentConfig(_Section):
    """Probabilities of the degradations, the same for both labels."""

    rescale: Share = 0.5
    smallest_scale: Annotated[float, Field(gt=0, le=1)] = 0.35
    codec: Share = 0.6
    lowest_quality: Annotated[int, Field(ge=10, le=100)] = 35
    colour: Share = 0.3
    blur_or_noise: Share = 0.12
    hide_corner: Share = 0.5
    screenshot: Share = 0.03
    least_area: Annotated[float, Field(gt=0, le=1)] = 0.5


class SizeStep(_Section):
    """Input size in px until this share of the run is done."""

    until: Share
    size: Annotated[int, Field(ge=32)]


class OptimConfig(_Section):
    """AdamW with linear warm-up, then cosine decay to zero; a moving average of the weights is exported."""

    steps: Annotated[int, Field(gt=0)] = 3000
    batch_size: Annotated[int, Field(gt=1)] = 32
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    warmup_steps: int = 100
    label_smoothing: Share = 0.04
    local_weight: Share = 0.0
    """Weight of the loss at each place of the activation map; the rest is that of the photo's logit."""
    ema_decay: Share = 0.995
    clip_norm: Annotated[float, Field(gt=0)] = 5.0
    size_schedule: tuple[SizeStep, ...] = (SizeStep(until=0.5, size=160), SizeStep(until=1.0, size=224))


class ValidationConfig(_Section):
    """Each `every` steps the average is scored in three tiers; `patience` rounds without gain end the run."""

    every: Annotated[int, Field(gt=0)] = 500
    photos: Annotated[int, Field(gt=0)] = 240
    patience: Annotated[int, Field(gt=0)] = 6


class TrainConfig(_Section):
    """Everything a training run depends on beside the photos and the code."""

    name: str = "photo-detector"
    version: str = "0.0.0"
    seed: int = 17
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    views: ViewPlan = ViewPlan()
    sampling: SamplingConfig = SamplingConfig()
    augment: AugmentConfig = AugmentConfig()
    optim: OptimConfig = OptimConfig()
    validation: ValidationConfig = ValidationConfig()
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None
    loader_workers: int = 1
    checkpoint_every: Annotated[int, Field(gt=0)] = 100
    output: Path = Path("outputs/train")
    tracking_uri: str = "sqlite:///mlflow.db"
    experiment: str = "detector"


def load_config(path: Path, overrides: list[str] | None = None) -> TrainConfig:
    """Read a YAML file; `overrides` are `section.key=value` with YAML values.

    Raises:
        ConfigError: the file is missing, is no YAML, or has an unknown or invalid key.
    """
    try:
        tree: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
        for override in overrides or []:
            _set(tree, override)
        return TrainConfig.model_validate(tree)
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _set(tree: dict[str, Any], override: str) -> None:
    key, sign, value = override.partition("=")
    if not sign:
        raise ConfigError(f"an override reads section.key=value, not {override!r}")
    *sections, last = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[last] = yaml.safe_load(value)
