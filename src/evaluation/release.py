"""Ships a fitted model: the file that the report judged, and no other, becomes `models/detector.onnx`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from src.evaluation.card import network_hash, read_card
from src.evaluation.command import parser, run_command
from src.evaluation.figures import Report, read_report
from src.evaluation.thresholds import FILE
from src.monitoring.drift.reference import read_reference, reference_path
from src.utils.errors import DataError
from src.utils.model_card import ModelCard
from src.utils.model_report import beside, read_model_report


def check_judged(card: ModelCard, network: str, report: Report) -> None:
    """Refuse a model that is not, in all that moves a verdict, the one that the report is about.

    Raises:
        DataError: Network, version, views, calibration, policies or data differ.
    """
    facts = {
        "network": (network, report.network),
        "name": (card.name, report.model_name),
        "version": (card.version, report.model_version),
        "views": (card.views, report.views),
        "calibration": (card.calibration, report.calibration),
        "policies": (card.policies, report.policies),
        "data_hash": (card.data_hash, report.data_hash),
        "splits_hash": (card.training.splits_hash if card.training else None, report.splits_hash),
        "steps": (card.training.steps if card.training else None, report.lengths.released),
    }
    different = [name for name, (mine, judged) in facts.items() if mine != judged]
    if different:
        raise DataError(
            f"the report is of another model ({', '.join(different)} differ): run `make evaluate`"
        )


def check_figures(card: ModelCard, path: Path) -> None:
    """Refuse figures for the page about the model that are not of this one.

    Raises:
        DataError: There are none, or they are of another model.
    """
    found = read_model_report(path)
    if found is None or (found.model_name, found.model_version) != (card.name, card.version):
        raise DataError(f"no {path.name} of this model beside the report: run `make evaluate`")


def ship(model: Path, report: Path, target: Path) -> ModelCard:
    """Copy the model, its figures, and the drift reference that its card names, to `target`.

    Each file is replaced in one step: whoever loads it meanwhile sees the old file or the new one.

    Raises:
        DataError: The report is missing or of another model.
        ModelError: No such model, or its drift reference is missing or another one.
    """
    card = read_card(model)
    check_judged(card, network_hash(model), read_report(report))
    check_figures(card, report.with_name(FILE))
    target.parent.mkdir(parents=True, exist_ok=True)
    if card.drift_reference is not None:
        # Before the model: a model that is there finds its reference, and an old model ignores a new one.
        read_reference(reference_path(model), card.drift_reference)
        _replace(reference_path(model), reference_path(target))
    # As those of another version, they are not told of the old model.
    _replace(report.with_name(FILE), beside(target))
    _replace(model, target)
    return card


def _replace(source: Path, target: Path) -> None:
    draft = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(source, draft)
        os.replace(draft, target)  # noqa: PTH105 - the call that is atomic on every system
    finally:
        draft.unlink(missing_ok=True)


def main(argv: Sequence[str]) -> int:
    """Ship the model."""
    args = parser("src.evaluation.release", __doc__)
    args.add_argument("--model", type=Path, default=Path("outputs/continued/model.onnx"))
    args.add_argument("--report", type=Path, default=Path("reports/detector/report.json"))
    args.add_argument("--to", type=Path, default=Path("models/detector.onnx"))
    options = args.parse_args(argv)
    card = ship(options.model, options.report, options.to)
    sys.stdout.write(f"{options.to.name} is {card.name} {card.version}\n")
    return 0


if __name__ == "__main__":
    run_command(main)
