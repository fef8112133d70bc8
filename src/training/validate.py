"""Scores a network in training: a fixed, even sample of known shops' photos, in the three tiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from src.evaluation.metrics import auroc
from src.imaging.degrade import TIERS, Tier, apply_tier
from src.imaging.views import combine_logits, make_views
from src.training.cache import CachedPhoto
from src.training.config import TrainConfig
from src.training.model import PhotoNet, normalisation
from src.training.sampling import sampling_weights


def validation_sample(photos: Sequence[CachedPhoto], config: TrainConfig) -> list[CachedPhoto]:
    """At most `validation.photos` of them, drawn as evenly over labels and shops as training draws them."""
    count = min(config.validation.photos, len(photos))
    rng = np.random.default_rng(config.seed)
    weights = sampling_weights([photo.record for photo in photos], config.sampling)
    chosen = rng.choice(len(photos), size=count, replace=False, p=weights)
    return [photos[int(i)] for i in sorted(chosen)]


def make_validator(
    photos: Sequence[CachedPhoto], config: TrainConfig
) -> Callable[[PhotoNet], dict[str, float]]:
    """A function that gives the AUROC of each tier and the worst of them, `worst_tier`.

    Two crops a photo are enough to steer a run; the release is judged with the full plan.
    """
    sample = validation_sample(photos, config)
    plan = config.views.model_copy(update={"crops": min(2, config.views.crops)})
    mean, std = normalisation(config.model)
    labels = np.array([photo.record.is_fake for photo in sample])

    def logit(model: PhotoNet, photo: CachedPhoto, tier: Tier) -> float:
        image = apply_tier(photo.image(), tier)
        views = make_views(image, plan, mean, std)
        device = next(model.parameters()).device
        answers = [
            model(torch.from_numpy(batch).to(device, memory_format=torch.channels_last)).logit.tolist()
            for batch in (*views.global_views, views.crops)
            if len(batch)
        ]
        sizes = len(plan.global_sizes)
        whole = sum(answer[0] for answer in answers[:sizes]) / sizes
        return combine_logits(plan, whole, answers[-1] if len(views.crops) else [])

    def validate(model: PhotoNet) -> dict[str, float]:
        model.eval()
        figures: dict[str, float] = {}
        with torch.inference_mode():
            for tier in TIERS:
                logits = np.array([logit(model, photo, tier) for photo in sample])
                figures[f"auroc_{tier}"] = auroc(labels, logits)
        figures["worst_tier"] = min(figures.values())
        return figures

    return validate
