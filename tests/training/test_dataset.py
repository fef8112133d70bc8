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
    assert torch.equal(label, same)
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
    labels = [float(TrainingViews(photos, run)[n][1].mean()) for n in range(60)]
    assert set(labels) == {0.0, 1.0}
    assert 15 < sum(labels) < 45


def test_a_spliced_view_says_where_the_fake_is(run, photos):
    sampling = run.sampling.model_copy(update={"splice_share": 1.0, "crop_share": 0.0})
    views = TrainingViews(photos, run.model_copy(update={"sampling": sampling}))
    for number in range(20):
        view, where = views[number]
        assert where.shape == (view.shape[1] // 32, view.shape[2] // 32)
        assert set(where.unique().tolist()) == {0.0, 1.0}
