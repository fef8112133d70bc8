"""Scores a network in training: a fixed, even sample of known shops' photos, in the three tiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score

from src.data.manifest import PhotoRecord
from src.imaging.degrade import TIERS, Tier, apply_tier
from src.imaging.views import combine_logits, make_views
from src.training.cache import cache_folder, load_pixels
from src.training.config import TrainConfig
from src.training.model import PhotoNet
from src.training.sampling import sampling_weights


def validation_sample(records: Sequence[PhotoRecord], config: TrainConfig) -> list[PhotoRecord]:
    """At most `validation.photos` records, drawn as evenly over labels and shops as training draws them."""
    count = min(config.validation.photos, len(records))
    rng = np.random.default_rng(config.seed)
    weights = sampling_weights(records, config.sampling)
    chosen = rng.choice(len(records), size=count, replace=False, p=weights)
    return [records[int(i)] for i in sorted(chosen)]


def make_validator(
    records: Sequence[PhotoRecord], config: TrainConfig
) -> Callable[[PhotoNet], dict[str, float]]:
    """A function that gives the AUROC of each tier and the worst of them, `worst_tier`.

    Two crops a photo are enough to steer a run; the release is judged with the full plan.
    """
    sample = validation_sample(records, config)
    plan = config.views.model_copy(update={"crops": min(2, config.views.crops)})
    folder = cache_folder(config.data.cache, config.views.max_side)
    labels = np.array([record.is_fake for record in sample])

    def logit(model: PhotoNet, pixels: NDArray[np.uint8], tier: Tier) -> float:
        image = apply_tier(Image.fromarray(np.asarray(pixels)), tier)
        views = make_views(image, plan, config.model.mean, config.model.std)
        device = next(model.parameters()).device
        answers = [
            model(torch.from_numpy(batch).to(device, memory_format=torch.channels_last)).logit.tolist()
            for batch in (views.global_view, views.crops)
            if len(batch)
        ]
        return combine_logits(plan, answers[0][0], answers[1] if len(answers) > 1 else [])

    def validate(model: PhotoNet) -> dict[str, float]:
        model.eval()
        figures: dict[str, float] = {}
        with torch.inference_mode():
            for tier in TIERS:
                logits = [logit(model, load_pixels(folder, record.photo_id), tier) for record in sample]
                figures[f"auroc_{tier}"] = float(roc_auc_score(labels, logits))
        figures["worst_tier"] = min(figures.values())
        return figures

    return validate
