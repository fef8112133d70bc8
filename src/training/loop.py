"""The training loop: batches in, an averaged network out; when killed, it goes on where it stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from src.training.average import WeightAverage
from src.training.cache import CachedPhoto
from src.training.config import OptimConfig, TrainConfig
from src.training.dataset import batches
from src.training.identity import BEST, CHECKPOINT
from src.training.model import PhotoNet, steps_before

log = structlog.get_logger(__name__)

Validate = Callable[[PhotoNet], dict[str, float]]
Track = Callable[[dict[str, float], int], None]


_COLUMNS = (
    TextColumn("training"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeRemainingColumn(),
    TextColumn("{task.fields[note]}"),
)


@dataclass
class Progressed:
    """What a checkpoint carries beside the weights."""

    step: int = 0
    steps_before: int = 0
    """Steps of the earlier run that gave the start weights."""
    seconds: float = 0.0
    best: float = -math.inf
    best_step: int = 0
    stale_rounds: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """Trains one network by one configuration.

    Args:
        model: the network with its start weights.
        config: the run.
        validate: scores a network; the run keeps the best `worst_tier` and stops without it. None trains
            to the end and keeps the last average.
        track: receives every figure with its step.
    """

    def __init__(self, model: PhotoNet, config: TrainConfig, validate: Validate | None, track: Track) -> None:
        self.device = pick_device(config.device)
        self.config = config
        # Depthwise convolutions run about 1.5 times as fast in channels-last order on a CPU.
        self.model = model.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = WeightAverage(self.model, config.optim.ema_decay)
        self.optimiser = torch.optim.AdamW(
            _decay_groups(self.model, config.optim.weight_decay), lr=config.optim.learning_rate
        )
        self.state = Progressed(steps_before=steps_before(config.model))
        self._validate, self._track = validate, track
        self._checkpoint = config.output / CHECKPOINT
        self._best = config.output / BEST

    def run(self, photos: Sequence[CachedPhoto]) -> PhotoNet:
        """Train to the last step (or until nothing improves) and return the network to export."""
        self.config.output.mkdir(parents=True, exist_ok=True)
        self.resume()
        if not self._gave_up():
            self._run(photos)
        return self._result()

    def _run(self, photos: Sequence[CachedPhoto]) -> None:
        config, state, steps = self.config, self.state, self.config.optim.steps
        started = time.monotonic() - state.seconds
        with Progress(*_COLUMNS) as progress:
            task = progress.add_task("", total=steps, completed=state.step, note="")
            for views, where in batches(photos, config, state.step):
                loss = self._step(views, where)
                state.step += 1
                state.seconds = time.monotonic() - started
                progress.update(task, advance=1, note=f"loss {loss:.3f}")
                if state.step % 20 == 0:
                    rate = _rate(config.optim, state.step)
                    self._track({"loss": loss, "learning_rate": rate}, state.step)
                if self._validate and state.step % config.validation.every == 0:
                    self._judge(self._validate)
                if state.step % config.checkpoint_every == 0 or state.step == steps or self._gave_up():
                    self.save()
                if self._gave_up():
                    log.info("stopped_early", step=state.step, best_step=state.best_step)
                    break

    def _step(self, views: torch.Tensor, where: torch.Tensor) -> float:
        optim = self.config.optim
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = _rate(optim, self.state.step)
        views = views.to(self.device, memory_format=torch.channels_last)
        target = where.to(self.device) * (1 - optim.label_smoothing) + optim.label_smoothing / 2
        half = torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda")
        with half:
            output = self.model(views)
        loss = photo_loss(output.logit.float(), output.cam.float(), target, optim.local_weight)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), optim.clip_norm)
        self.optimiser.step()
        self.ema.update(self.model)
        return float(loss.detach())

    def _judge(self, validate: Validate) -> None:
        state = self.state
        figures = validate(self.ema.average)
        self._track(figures, state.step)
        state.history.append({"step": float(state.step), **figures})
        log.info("validated", step=state.step, **{name: round(value, 4) for name, value in figures.items()})
        if figures["worst_tier"] > state.best:
            state.best, state.best_step, state.stale_rounds = figures["worst_tier"], state.step, 0
            _save(self.ema.average.state_dict(), self._best)
        else:
            state.stale_rounds += 1

    def _gave_up(self) -> bool:
        return self.state.stale_rounds >= self.config.validation.patience

    def _result(self) -> PhotoNet:
        if self.state.best_step:
            self.ema.average.load_state_dict(
                torch.load(self._best, map_location=self.device, weights_only=True)
            )
        return self.ema.average

    def save(self) -> None:
        """Write the checkpoint; the old one stays whole until the new one is."""
        _save(
            {
                "model": self.model.state_dict(),
                "average": self.ema.average.state_dict(),
                "updates": self.ema.updates,
                "optimiser": self.optimiser.state_dict(),
                "state": vars(self.state),
                "held_out_fold": self.config.data.held_out_fold,
                "torch_rng": torch.get_rng_state(),
                "cuda_rng": torch.cuda.get_rng_state_all(),
            },
            self._checkpoint,
        )

    def resume(self) -> bool:
        """Load the checkpoint of an interrupted run; False when there is none.

        The folder must belong to this run (`src.training.identity`).
        """
        if not self._checkpoint.exists():
            return False
        saved = torch.load(self._checkpoint, map_location=self.device, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.ema.average.load_state_dict(saved["average"])
        self.ema.updates = saved["updates"]
        self.optimiser.load_state_dict(saved["optimiser"])
        self.state = Progressed(**saved["state"])
        torch.set_rng_state(saved["torch_rng"].cpu())
        torch.cuda.set_rng_state_all([state.cpu() for state in saved["cuda_rng"]])
        log.info("resumed", step=self.state.step)
        return True


def photo_loss(
    logit: torch.Tensor, cam: torch.Tensor, target: torch.Tensor, local_weight: float
) -> torch.Tensor:
    """Cross-entropy of a batch: that of the photo and, by `local_weight`, that of each place.

    A spliced photo has no label of its own: only its places count.

    Args:
        logit: float32 [B].
        cam: float32 [B, h, w], the logit of each place.
        target: float32 [B, h, w], the probability that should be said there.
        local_weight: Share of the places in the loss of a photo that is not spliced.
    """
    entropy = nn.functional.binary_cross_entropy_with_logits
    places = entropy(cam, target, reduction="none").mean((1, 2))
    whole = entropy(logit, target[:, 0, 0], reduction="none")
    spliced = target.amax((1, 2)) > target.amin((1, 2))
    weight = torch.where(spliced, 1.0, local_weight)
    return (weight * places + (1 - weight) * whole).mean()


def pick_device(name: str) -> torch.device:
    """`auto` takes CUDA where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def _rate(optim: OptimConfig, step: int) -> float:
    if step < optim.warmup_steps:
        return optim.learning_rate * (step + 1) / optim.warmup_steps
    done = (step - optim.warmup_steps) / max(1, optim.steps - optim.warmup_steps)
    return optim.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Batch-norm scales and biases are not decayed: shrinking them only fights the normalisation."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def _save(content: object, path: Path) -> None:
    partial = path.with_suffix(".part")
    torch.save(content, partial)
    partial.replace(path)
