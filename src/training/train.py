"""`python -m src.training.train --config configs/train_config.yaml`: photos in, a model with its card out."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import structlog
import torch
import typer
from numpy.typing import NDArray
from PIL import Image

from src.data.manifest import PhotoRecord, manifest_hash, read_manifest
from src.data.splits import Split, read_splits, splits_hash, splits_match
from src.imaging.views import cut_square, normalise
from src.training.cache import CachedPhoto, fill_cache
from src.training.config import TrainConfig, load_config
from src.training.export import PARITY_BATCHES, export
from src.training.identity import COST, MODEL, claim_output, run_identity
from src.training.loop import Trainer
from src.training.model import build_model, check_start, normalisation
from src.training.smoke import smoke_config
from src.training.tracking import tracked_run
from src.training.validate import make_validator
from src.utils.errors import DataError, DetectorError
from src.utils.logging import configure_logging
from src.utils.model_card import Calibration, ModelCard, Policy, TrainingFacts

log = structlog.get_logger(__name__)


def train(config: TrainConfig) -> Path:
    """Run one training and return the ONNX file, which `src.evaluation.fit` has yet to calibrate.

    Raises:
        ConfigError: architecture or start weights are unusable.
        DataError: manifest, splits or photos are missing or contradict each other.
        ModelError: the exported file does not answer as the network does.
    """
    check_start(config.model, config.data.held_out_fold)
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    data, max_side = config.data, config.views.max_side
    records, splits = read_manifest(data.manifest), read_splits(data.splits)
    splits_match(records, splits, data.held_out_generators)
    chosen, kept = select_records(records, splits, config)
    training = fill_cache(chosen, data.raw, data.cache, max_side)
    validation = fill_cache(kept, data.raw, data.cache, max_side)
    claim_output(config.output, run_identity(config, training))
    path = config.output / MODEL
    if path.exists():
        log.info("trained_already", path=str(path))
        return path
    log.info("training", photos=len(training), validation=len(validation), output=str(config.output))
    with tracked_run(config) as track:
        validator = make_validator(validation, config) if validation else None
        trainer = Trainer(build_model(config.model), config, validator, track)
        model = trainer.run(training)
        facts = TrainingFacts(
            photos=len(training),
            steps=trainer.state.steps_before + (trainer.state.best_step or trainer.state.step),
            splits_hash=splits_hash(splits.values()),
            held_out_fold=data.held_out_fold,
        )
        records = [photo.record for photo in training]
        difference = export(model, draft_card(config, records, facts), path, _parity_views(training, config))
        _write_cost(config, trainer)
        track({"parity": difference, "train_seconds": trainer.state.seconds}, trainer.state.step)
    return path


def select_records(
    records: Sequence[PhotoRecord], splits: dict[str, Split], config: TrainConfig
) -> tuple[list[PhotoRecord], list[PhotoRecord]]:
    """What to train on and what to validate on.

    With `held_out_fold` the training takes every photo of the other folds' shops, with no validation: a
    choice made by looking at the held-out shops would make them known.

    Raises:
        DataError: a record has no split, or there is nothing to train on.
    """
    unknown = [record.photo_id for record in records if record.photo_id not in splits]
    if unknown:
        raise DataError(f"{len(unknown)} photos of the manifest have no split, the first is {unknown[0]}")
    fold = config.data.held_out_fold
    if fold is None:
        training = [record for record in records if splits[record.photo_id].split == "train"]
        validation = [record for record in records if splits[record.photo_id].split == "val"]
    else:
        training = [
            r for r in records if splits[r.photo_id].fold != fold and splits[r.photo_id].split != "heldout"
        ]
        validation = []
    if not training:
        raise DataError("there is no photo to train on")
    return training, validation


def _write_cost(config: TrainConfig, trainer: Trainer) -> None:
    """Say beside the model what it took: a study compares it."""
    state = trainer.state
    cost = {
        "steps": state.step,
        "seconds": round(state.seconds, 1),
        "device": trainer.device.type,
        "threads": torch.get_num_threads(),
    }
    (config.output / COST).write_text(json.dumps(cost) + "\n")


def draft_card(config: TrainConfig, training: Sequence[PhotoRecord], facts: TrainingFacts) -> ModelCard:
    """The card of a network that is not calibrated yet: 1/2 decides, and everything near it is reviewed."""
    mean, std = normalisation(config.model)
    return ModelCard(
        name=config.name,
        version=config.version,
        architecture=config.model.architecture,
        views=config.views,
        mean=mean,
        std=std,
        calibration=Calibration(),
        policies={
            "balanced": Policy(threshold=0.5, review_low=0.2, review_high=0.8, description="uncalibrated")
        },
        data_hash=manifest_hash(training),
        git_commit=_git_commit(),
        training=facts,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )


def _parity_views(photos: Sequence[CachedPhoto], config: TrainConfig) -> list[NDArray[np.float32]]:
    chosen = photos[:: max(1, len(photos) // (3 * max(PARITY_BATCHES)))]
    mean, std = normalisation(config.model)
    return [normalise(_square(photo.image(), config.views.crop_size), mean, std) for photo in chosen]


def _square(image: Image.Image, size: int) -> Image.Image:
    """The middle of the photo: parity is of batches, so all must have one shape."""
    short = min(image.size)
    return cut_square(image, (image.width - short) // 2, (image.height - short) // 2, short, size)


def _git_commit() -> str:
    """The commit of the code, marked when the tree holds more than it; empty outside a checkout."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],  # noqa: S607 - the git of the PATH
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def main(
    config: Annotated[Path, typer.Option(help="The run, as YAML.")] = Path("configs/train_config.yaml"),
    override: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, may be repeated.")
    ] = None,
    *,
    smoke: Annotated[
        bool, typer.Option(help="Train on a few procedural pictures, in under a minute.")
    ] = False,
) -> None:
    """Train the detector; an interrupted run goes on when the same command is given again."""
    configure_logging()
    try:
        run = load_config(config, override)
        path = train(smoke_config(run) if smoke else run)
    except DetectorError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(path)


if __name__ == "__main__":
    typer.run(main)
