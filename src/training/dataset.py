"""The training samples: sample number n of a run is always the same view of the same photo.

The choice is a pure function of (seed, n), so a run that was killed goes on exactly where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from src.imaging.views import normalise
from src.training.augment import CELL, crop_view, global_view, spliced_view
from src.training.cache import CachedPhoto
from src.training.config import OptimConfig, TrainConfig
from src.training.model import normalisation
from src.training.sampling import sampling_weights

Sample = tuple[torch.Tensor, torch.Tensor]


def input_size(optim: OptimConfig, step: int) -> int:
    """Side in px of the network's input at a step of the run."""
    done = step / optim.steps
    return next(
        (part.size for part in optim.size_schedule if done < part.until), optim.size_schedule[-1].size
    )


class TrainingViews(Dataset[Sample]):
    """Map-style data set over sample numbers.

    An item is a view, float32 [3, S, S], and where in it a generator was at work, float32 [S / 32, S / 32]:
    1.0 for AI-generated, 0.0 for real; one value throughout unless the view is spliced.
    """

    def __init__(self, photos: Sequence[CachedPhoto], config: TrainConfig) -> None:
        self._photos = list(photos)
        self._config = config
        records = [photo.record for photo in photos]
        weights = sampling_weights(records, config.sampling)
        fake = np.array([record.is_fake for record in records])
        self._cumulative = np.cumsum(weights)
        # Photos of the other label, for a splice into a real (False) or a fake (True) photo.
        self._others = {label: np.cumsum(np.where(fake == label, 0.0, weights)) for label in (False, True)}
        self._mean, self._std = normalisation(config.model)

    def __getitem__(self, number: int) -> Sample:
        config = self._config
        rng = np.random.default_rng((config.seed, number))
        photo = self._draw(self._cumulative, rng)
        size = input_size(config.optim, number // config.optim.batch_size)
        fake = photo.record.is_fake
        # As many places as the network's stride-2 layers leave of an input of this size.
        where = torch.full((-(-size // CELL),) * 2, float(fake))
        whole = rng.random() >= config.sampling.crop_share
        if whole and rng.random() < config.sampling.splice_share:
            other = self._draw(self._others[fake], rng)
            view, box = spliced_view(photo.pixels(), other.pixels(), size, config.augment, rng)
            left, top, right, bottom = box
            where[top:bottom, left:right] = float(not fake)
        else:
            cut = global_view if whole else crop_view
            view = cut(photo.pixels(), size, config.augment, rng)
        return torch.from_numpy(normalise(view, self._mean, self._std)), where

    def _draw(self, cumulative: NDArray[np.float64], rng: np.random.Generator) -> CachedPhoto:
        drawn = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
        return self._photos[min(drawn, len(self._photos) - 1)]


class _BatchNumbers(Sampler[list[int]]):
    def __init__(self, first: int, last: int, size: int) -> None:
        self._first, self._last, self._size = first, last, size

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self._first, self._last):
            yield list(range(step * self._size, (step + 1) * self._size))

    def __len__(self) -> int:
        return self._last - self._first


def batches(photos: Sequence[CachedPhoto], config: TrainConfig, first_step: int) -> DataLoader[Sample]:
    """Batches of a run from `first_step` on: (float32 [B, 3, S, S], float32 [B, S / 32, S / 32])."""
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


def _collate(samples: list[Sample]) -> Sample:
    views, where = zip(*samples, strict=True)
    return torch.stack(views), torch.stack(where)
