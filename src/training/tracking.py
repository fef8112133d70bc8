"""A training run as MLflow keeps it: every parameter, every curve, resumed under the same run id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import mlflow

from src.training.config import TrainConfig
from src.training.identity import TRACKED_RUN


@contextmanager
def tracked_run(config: TrainConfig) -> Iterator[Callable[[dict[str, float], int], None]]:
    """Open the MLflow run of `config`, or reopen it after an interruption; gives what records figures."""
    mlflow.set_tracking_uri(config.tracking_uri)
    mlflow.set_experiment(config.experiment)
    config.output.mkdir(parents=True, exist_ok=True)
    note = config.output / TRACKED_RUN
    run_id = note.read_text().strip() if note.exists() else None
    with mlflow.start_run(run_id=run_id, run_name=None if run_id else config.name) as run:
        if run_id is None:
            mlflow.log_params(_flat(config.model_dump(mode="json")))
            note.write_text(run.info.run_id)

        def track(figures: dict[str, float], step: int) -> None:
            mlflow.log_metrics(figures, step=step)

        yield track


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots, as MLflow shows them."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat
