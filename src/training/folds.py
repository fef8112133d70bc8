"""`python -m src.training.folds`: one network a fold, each trained without the shops of its fold.

Their scores of the shops that they never saw are the `unseen` figures, and calibration and thresholds are
fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from src.data.splits import read_splits
from src.training.config import TrainConfig, load_config
from src.training.train import train
from src.utils.errors import ConfigError
from src.utils.logging import configure_logging


def fold_config(config: TrainConfig, fold: int, steps: int | None = None) -> TrainConfig:
    """The run that leaves one fold out; `steps` shortens it.

    Raises:
        ConfigError: it would start from one earlier run for all folds, which saw the shops that are left out.
    """
    optim = config.optim if steps is None else config.optim.model_copy(update={"steps": steps})
    model, earlier = config.model, str(config.model.weights_file)
    if model.initial_weights == "run":
        if "{fold}" not in earlier:
            raise ConfigError("model.weights_file must name a run for each fold, by `{fold}`")
        model = model.model_copy(update={"weights_file": Path(earlier.format(fold=fold))})
    return config.model_copy(
        update={
            "name": f"{config.name}-without-fold-{fold}",
            "data": config.data.model_copy(update={"held_out_fold": fold}),
            "optim": optim,
            "model": model,
            "output": fold_folder(config, fold),
        }
    )


def fold_folder(config: TrainConfig, fold: int) -> Path:
    """Where the network that never saw this fold is written."""
    return config.output / "folds" / str(fold)


def train_folds(
    config: TrainConfig, steps: int | None = None, only: Sequence[int] | None = None
) -> list[Path]:
    """Train what is not trained yet and return the files, in the order of the folds.

    Args:
        config: The run that all share.
        steps: Shortens each.
        only: The folds to leave out in turn; all by default.

    Raises:
        ConfigError: There is no such fold.
    """
    folds = sorted({split.fold for split in read_splits(config.data.splits).values()})
    if only and not set(only) <= set(folds):
        raise ConfigError(f"the splits have the folds {folds}, not {sorted(only)}")
    folds = sorted(set(only)) if only else folds
    return [train(fold_config(config, fold, steps)) for fold in folds]


def main(
    config: Annotated[Path, typer.Option(help="The run, as YAML.")] = Path("configs/train_config.yaml"),
    override: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value, may be repeated.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of each fold; the config's without it.")] = None,
    only: Annotated[list[int] | None, typer.Option(help="A fold; may be repeated. All without it.")] = None,
) -> None:
    """Train every fold; call again after an interruption."""
    configure_logging()
    for path in train_folds(load_config(config, override), steps, only):
        typer.echo(path)


if __name__ == "__main__":
    typer.run(main)
