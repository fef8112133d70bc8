"""What the gates ask of a candidate: `configs/gates.yaml`, typed."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.utils.errors import ConfigError


class GateLimits(BaseModel):
    """What is asked of a candidate; shares are fractions of 1.

    Attributes:
        slice_margin: A generator family or a style of real photos may be judged so much worse than by the
            champion,
        slice_errors: and so many standard errors of its share more, since small slices are noisy.
        min_style_specificity: Of every style of real photos under `balanced`.
        proxy_errors: In the place of `slice_errors` for real photos by size, compression and product: these
            slices are many, and each is one more chance to refuse a good model by accident.
        min_proxy_specificity: Of each of these slices under `balanced`, or the champion's where that is less;
            at a half, no kind of seller has more real photos accused than believed.
        min_proxy_photos: Smaller ones of these slices are shown in the report and not held.
        min_headline_specificity: Of all real photos under `low_false_positive`.
        headline_margin: It, and balanced accuracy, may be so much worse than the champion's.
        max_ece: Expected calibration error.
        ece_margin: It may be so much worse than the champion's.
        min_auroc: By tier of damage.
        tier_margin: AUROC in each tier may be so much worse than the champion's.
        max_latency_ms: Median of one thread on drawn pictures, on the machine that holds the gates.
        latency_ratio: It, divided by the champion's.
        max_megabytes: Of the file.
        size_ratio: It, divided by the champion's.
        same_splits: Figures of two models are compared only on the same division of the same photos.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slice_margin: float = Field(default=0.03, ge=0)
    slice_errors: float = Field(default=1.0, ge=0)
    min_style_specificity: float = 0.60
    proxy_errors: float = Field(default=2.0, ge=0)
    min_proxy_specificity: float = 0.50
    min_proxy_photos: int = Field(default=50, ge=1)
    min_headline_specificity: float = 0.95
    headline_margin: float = Field(default=0.01, ge=0)
    max_ece: float = 0.10
    ece_margin: float = Field(default=0.02, ge=0)
    min_auroc: dict[str, float] = {"clean": 0.85, "web": 0.75, "hard": 0.65}
    tier_margin: float = Field(default=0.01, ge=0)
    max_latency_ms: float = 400.0
    latency_ratio: float = 1.5
    max_megabytes: float = 40.0
    size_ratio: float = 2.0
    same_splits: bool = True


def load_limits(path: Path) -> GateLimits:
    """Read `configs/gates.yaml`.

    Raises:
        ConfigError: The file is missing, no YAML, or has an unknown or invalid key.
    """
    try:
        return GateLimits.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"{path.name}: {error}") from error
