"""Exponential moving average of a network's weights: smoother than the last step, and what is exported."""

from __future__ import annotations

import copy

import torch

from src.training.model import PhotoNet


class WeightAverage:
    """Keeps `average`, a copy of the network whose weights trail the trained ones.

    The first steps count more (decay grows as (1 + n) / (10 + n) up to `decay`), so that that of a short
    run does not hang on the start weights. Batch-norm statistics are averages already and are copied.
    """

    def __init__(self, model: PhotoNet, decay: float) -> None:
        self.average = copy.deepcopy(model).eval()
        self._decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: PhotoNet) -> None:
        """Take one more step of the trained network in."""
        self.updates += 1
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        for mean, weight in zip(self.average.parameters(), model.parameters(), strict=True):
            mean.lerp_(weight, 1 - decay)
        for kept, buffer in zip(self.average.buffers(), model.buffers(), strict=True):
            kept.copy_(buffer)
