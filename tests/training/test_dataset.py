from __future__ import annotations

import torch

from src.training.config import OptimConfig, SizeStep
from src.training.dataset import TrainingViews, batches, input_size


def test_the_size_follows_the_schedule():
    optim = OptimConfig(steps=10, size_schedule=(SizeStep(until=0.5, size=32), SizeStep(until=1, size=64)))
    assert [input_size(optim, step) for step in (0, 4, 5, 9, 10)] == [32, 32, 64, 64, 64]


def test_a_sample_number_always_gives_the_same_view(run, photos):
    views = TrainingViews(photos, run)
    first, label = views[11]
    again, same = TrainingViews(photos, run)[11]
    assert torch.equal(first, again)
    assert label == same
    assert not torch.equal(first, views[12][0])


def test_batches_from_a_later_step_are_those_of_the_whole_run(run, photos):
    short = run.model_copy(update={"optim": run.optim.model_copy(update={"steps": 4, "batch_size": 3})})
    whole = list(batches(photos, short, 0))
    rest = list(batches(photos, short, 2))
    assert len(whole) == 4
    assert all(
        torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(whole[2:], rest, strict=True)
    )
    assert whole[0][0].shape == (3, 3, 64, 64)
    assert whole[0][0].dtype == torch.float32


def test_both_labels_are_drawn(run, photos):
    labels = [TrainingViews(photos, run)[n][1] for n in range(60)]
    assert 15 < sum(labels) < 45
