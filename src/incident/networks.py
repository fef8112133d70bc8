"""Two trainings of a rehearsal: a champion that never saw the family, and one that goes on with labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.data.manifest import PhotoRecord, write_manifest
from src.data.splits import Split, splits_hash, write_splits
from src.evaluation.card import read_card, write_card
from src.evaluation.crossfit import fit
from src.evaluation.plan import Choice
from src.incident.full import claim_splits, grow
from src.incident.head import read_head
from src.incident.pools import Pools
from src.incident.seen import Seen
from src.training.config import TrainConfig, load_config
from src.training.identity import CHECKPOINT
from src.training.train import train
from src.utils.errors import DataError
from src.utils.model_card import ModelCard

CHAMPION, RETRAINED = "champion", "live/retrained"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a rehearsal trains.

    Attributes:
        work: Folder for everything that is made.
        raw: Where photos lie.
        config: The run of the champion, as YAML.
        overrides: `section.key=value` for it.
        more: The same for going on with labels, on top.
    """

    work: Path
    raw: Path
    config: Path
    overrides: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


def train_champion(bench: Bench, pools: Pools) -> Path:
    """Train on what is known before the incident; returns the model file, not yet calibrated.

    Raises:
        ConfigError: The configuration or the start weights are unusable.
        DataError: Photos are missing.
    """
    place = bench.work / "data"
    _write(place, pools.base, [pools.splits[record.photo_id] for record in pools.base])
    return train(_run(bench, place, CHAMPION, bench.overrides))


def take_champion(bench: Bench, pools: Pools, given: Path, family: str) -> Path:
    """Take a network that was trained before, if its card proves that it never saw the family.

    Raises:
        DataError: Its card says nothing, or it was trained by other splits than these.
        ModelError: The file is unusable.
    """
    place = bench.work / "data"
    splits = [pools.splits[record.photo_id] for record in pools.base]
    _write(place, pools.base, splits)
    facts = read_card(given).training
    if facts is None or facts.splits_hash != splits_hash(splits):
        raise DataError(
            f"the given champion's card does not say that it was trained by the splits without {family!r}"
        )
    target = bench.work / CHAMPION / "model.onnx"
    if given.resolve() != target.resolve():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(given.read_bytes())
        checkpoint = given.with_name(CHECKPOINT)
        if checkpoint.is_file():
            (target.parent / CHECKPOINT).write_bytes(checkpoint.read_bytes())
    return target


def train_on_labels(bench: Bench, pools: Pools, labelled: Sequence[PhotoRecord]) -> Path:
    """Go on from the champion's weights with labelled photos of the incident among the others.

    Raises:
        DataError: A labelled photo is one of those that judge.
    """
    if {each.sha256 for each in labelled} & {each.sha256 for each in pools.new_judge}:
        raise DataError("a photo that judges must not be learnt from")
    records, splits = grow(pools.base, pools.splits, labelled)
    place = bench.work / "live" / "data"
    _write(place, records, splits)
    start = bench.work / CHAMPION / CHECKPOINT
    resume = ("model.initial_weights=run", f"model.weights_file={start}") if start.is_file() else ()
    path = train(_run(bench, place, RETRAINED, (*bench.overrides, *resume, *bench.more)))
    claim_splits(path, pools.splits, splits)
    return path


def calibrate(path: Path, reference: Seen, version: str) -> ModelCard:
    """Fit calibration and policies on photos that the network never saw, and write them into its card.

    Raises:
        DataError: A label is absent.
    """
    found = fit(reference.clean.scores(read_head(path)), Choice(0, 1.0))
    card = read_card(path).model_copy(
        update={
            "version": version,
            "calibration": found.calibration,
            "policies": found.policies,
            "default_policy": "balanced",
        }
    )
    write_card(path, card)
    return card


def _write(place: Path, records: Sequence[PhotoRecord], splits: Sequence[Split]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    write_manifest(place / "manifest.csv", records)
    write_splits(place / "splits.csv", splits)


def _run(bench: Bench, place: Path, name: str, overrides: Sequence[str]) -> TrainConfig:
    config = load_config(bench.config, list(overrides))
    data = config.data.model_copy(
        update={"manifest": place / "manifest.csv", "splits": place / "splits.csv", "raw": bench.raw}
    )
    return config.model_copy(
        update={
            "data": data,
            "output": bench.work / name,
            "tracking_uri": f"sqlite:///{bench.work}/mlflow.db",
            "experiment": "incident",
        }
    )
