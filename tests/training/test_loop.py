from __future__ import annotations

import pytest
import torch

from src.training.loop import Trainer, photo_loss
from src.training.model import build_model


def _short(run, folder, **changes):
    optim = run.optim.model_copy(update={"steps": 8, "batch_size": 4, "warmup_steps": 2})
    return run.model_copy(
        update={"optim": optim, "output": folder, "checkpoint_every": 2, "loader_workers": 0, **changes}
    )


def _train(config, photos, *, stop_after=None, validate=None):
    torch.manual_seed(config.seed)
    seen = []

    def track(figures, step):
        seen.append((step, figures))

    trainer = Trainer(build_model(config.model), config, validate, track)
    if stop_after is not None:
        step = trainer._step

        def killed(views, where):
            if trainer.state.step == stop_after:
                raise KeyboardInterrupt
            return step(views, where)

        trainer._step = killed
    return trainer, trainer.run(photos), seen


def test_a_killed_run_ends_with_the_very_same_weights(run, photos, tmp_path):
    dropout = run.model.model_copy(update={"dropout": 0.3})  # its random state must come back too
    _, whole, _ = _train(_short(run, tmp_path / "whole", model=dropout), photos)
    config = _short(run, tmp_path / "killed", model=dropout)
    with pytest.raises(KeyboardInterrupt):
        _train(config, photos, stop_after=5)
    trainer, resumed, _ = _train(config, photos)
    assert trainer.state.step == 8
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_the_best_round_is_kept_and_patience_ends_the_run(run, photos, tmp_path):
    rounds = iter([0.5, 0.9, 0.7, 0.6, 0.8])
    kept = []

    def validate(model):
        kept.append({k: v.clone() for k, v in model.state_dict().items()})
        return {"worst_tier": next(rounds)}

    validation = run.validation.model_copy(update={"every": 1, "patience": 2})
    trainer, model, _ = _train(_short(run, tmp_path, validation=validation), photos, validate=validate)
    assert trainer.state.step == 4
    assert trainer.state.best_step == 2
    assert all(torch.equal(v, kept[1][k]) for k, v in model.state_dict().items())


def test_a_run_that_gave_up_does_not_go_on_when_started_again(run, photos, tmp_path):
    validation = run.validation.model_copy(update={"every": 1, "patience": 1})
    config = _short(run, tmp_path, validation=validation)
    rounds = iter([0.9, 0.5])
    _train(config, photos, validate=lambda model: {"worst_tier": next(rounds)})
    trainer, model, seen = _train(config, photos, validate=lambda model: pytest.fail("validated again"))
    assert trainer.state.step == 2
    assert not seen
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    assert all(torch.equal(v, best[k]) for k, v in model.state_dict().items())


def test_the_loss_falls_on_an_easy_set(run, photos, tmp_path):
    optim = run.optim.model_copy(update={"steps": 40})
    config = run.model_copy(update={"optim": optim, "output": tmp_path, "loader_workers": 0})
    _, _, seen = _train(config, photos)
    losses = [figures["loss"] for _, figures in seen]
    assert losses[-1] < 0.55


def test_the_rate_warms_up_and_decays_to_nothing(run):
    from src.training.loop import _rate

    optim = run.optim.model_copy(update={"steps": 100, "warmup_steps": 10, "learning_rate": 1.0})
    assert _rate(optim, 0) == pytest.approx(0.1)
    assert _rate(optim, 10) == pytest.approx(1.0)
    assert _rate(optim, 55) == pytest.approx(0.5)
    assert _rate(optim, 100) == pytest.approx(0.0)


def test_the_loss_is_the_photos_own_unless_places_are_asked_for_or_differ():
    logit = torch.tensor([0.5, -1.0])
    cam = torch.tensor([[[2.0, -1.0], [0.0, 1.0]], [[-3.0, 1.0], [-1.0, -1.0]]])
    plain = torch.tensor([1.0, 0.0])[:, None, None].expand(2, 2, 2)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    whole, places = entropy(logit, plain[:, 0, 0]), entropy(cam, plain)
    assert photo_loss(logit, cam, plain, 0.0) == pytest.approx(float(whole))
    assert photo_loss(logit, cam, plain, 0.25) == pytest.approx(float(0.75 * whole + 0.25 * places))
    spliced = plain.clone()
    spliced[:, 0, 1] = 1 - spliced[:, 0, 1]
    assert photo_loss(logit, cam, spliced, 0.0) == pytest.approx(float(entropy(cam, spliced)))
