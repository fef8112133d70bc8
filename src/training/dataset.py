"""The training samples: sample number n of a run is always the same view of the same photo.

The choice is a pure function of (seed, n), so a run that was killed goes on exactly where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from src.imaging.views import normalise
from src.training.augment import crop_view, global_view
from src.training.cache import CachedPhoto
from src.training.config import OptimConfig, TrainConfig
from src.training.model import normalisation
from src.training.sampling import sampling_weights

Sample = tuple[torch.Tensor, float]


def input_size(optim: OptimConfig, step: int) -> int:
    """Side in px of the network's input at a step of the run."""
    done = step / optim.steps
    return next(
        (part.size for part in optim.size_schedule if done < part.until), optim.size_schedule[-1].size
    )


class TrainingViews(Dataset[Sample]):
    """Map-style data set over sample numbers; an item is (float32 [3, S, S], 1.0 for AI-generated or 0.0)."""

    def __init__(self, photos: Sequence[CachedPhoto], config: TrainConfig) -> None:
        self._photos = list(photos)
        self._config = config
        records = [photo.record for photo in photos]
        self._cumulative = np.cumsum(sampling_weights(records, config.sampling))
        self._mean, self._std = normalisation(config.model)

    def __getitem__(self, number: int) -> Sample:
        config = self._config
        rng = np.random.default_rng((config.seed, number))
        drawn = int(np.searchsorted(self._cumulative, rng.random() * self._cumulative[-1], side="right"))
        photo = self._photos[min(drawn, len(self._photos) - 1)]
        size = input_size(config.optim, number // config.optim.batch_size)
        cut = crop_view if rng.random() < config.sampling.crop_share else global_view
        view = cut(photo.pixels(), size, config.augment, rng)
        array = normalise(view, self._mean, self._std)
        return torch.from_numpy(array), float(photo.record.is_fake)


class _BatchNumbers(Sampler[list[int]]):
    def __init__(self, first: int, last: int, size: int) -> None:
        self._first, self._last, self._size = first, last, size

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self._first, self._last):
            yield list(range(step * self._size, (step + 1) * self._size))

    def __len__(self) -> int:
        return self._last - self._first


def batches(photos: Sequence[CachedPhoto], config: TrainConfig, first_step: int) -> DataLoader[Sample]:
    """Batches of a run from `first_step` on: (float32 [B, 3, S, S], float32 [B])."""
    numbers = _BatchNumbers(first_step, config.optim.steps, config.optim.batch_size)
    return DataLoader(
        TrainingViews(photos, config),
        batch_sampler=numbers,
        num_workers=config.loader_workers,
        prefetch_factor=4 if config.loader_workers else None,
        collate_fn=_collate,
        # Otherwise each new loader would draw from the generator that dropout draws from.
        generator=torch.Generator().manual_seed(config.seed),
    )


def _collate(samples: list[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
    views, labels = zip(*samples, strict=True)
    return torch.stack(views), torch.tensor(labels, dtype=torch.float32)
