"""Judges a model on photos that it never saw: a report as the gates read it, from embeddings and a head.

`unseen` are whole shops that no training touched, judged with the card as it is: here no fold networks stand
in for the model. What could not be measured is left out, and the gates miss it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from src.data.manifest import PhotoRecord
from src.evaluation.card import network_hash, read_card
from src.evaluation.crossfit import Applied, apply
from src.evaluation.figures import Dataset, Report, SliceSet
from src.evaluation.lengths import Lengths
from src.evaluation.origin import Forms
from src.evaluation.plan import Choice
from src.evaluation.report import make_block
from src.evaluation.shortcut import ShortcutReport, photos_of, run_check
from src.evaluation.slices import make_slices
from src.incident.head import read_head
from src.incident.seen import Seen
from src.inference.detector import Detector
from src.utils.model_card import ModelCard

REPLICATES = 200


def judged(seen: Seen, model: Path) -> Applied:
    """What a model file says of photos, in the tiers that they were seen in."""
    card = read_card(model)
    return apply(seen.scores(read_head(model)), Choice(0, 1.0), card.calibration, card.policies)


def check_shortcuts(model: Path, records: Sequence[PhotoRecord], raw: Path, name: str) -> ShortcutReport:
    """Whether the model follows files instead of pictures; runs it thrice on each photo.

    Raises:
        DataError: The photos are all of one label.
    """
    detector = Detector.from_file(model, threads=1)
    return run_check(photos_of(records, raw, detector), detector.card, network_hash(model), name)


def examine(
    model: Path,
    photos: Mapping[Dataset, Seen],
    splits_hash: str,
    shortcut: Sequence[ShortcutReport] = (),
    *,
    replicates: int = REPLICATES,
) -> Report:
    """Make a report.

    Args:
        model: The file; its features must be those that the photos were seen with.
        photos: By data set.
        splits_hash: Of the splits that say which photos it never saw.
        shortcut: As `check_shortcuts` found.
        replicates: Bootstrap draws of every interval.
    """
    card = read_card(model)
    applied = {dataset: judged(seen, model) for dataset, seen in photos.items()}
    return Report(
        model_name=card.name,
        model_version=card.version,
        network=network_hash(model),
        data_hash=card.data_hash,
        splits_hash=splits_hash,
        lengths=Lengths(released=_steps(card), folds={}),
        forms={dataset: _forms(seen) for dataset, seen in photos.items()},
        samples={},
        views=card.views,
        fold_plans={},
        calibration=card.calibration,
        policies=card.policies,
        fold_calibrations={},
        blocks=[
            make_block(each.of_tier(tier), dataset, tier, policy, "photos", replicates=replicates)
            for dataset, each in applied.items()
            for tier in each.table.tiers
            for policy in each.decided
        ],
        slices=[
            SliceSet(
                dataset=dataset,
                tier="clean",
                rows=make_slices(
                    each.of_tier("clean"), ("style", "family", "generator"), replicates=replicates
                ),
            )
            for dataset, each in applied.items()
        ],
        ablation=[],
        view_grid=[],
        shortcut=list(shortcut),
        latency=None,
        bars=[],
    )


def _steps(card: ModelCard) -> int:
    return card.training.steps if card.training else 0


def _forms(seen: Seen) -> Forms:
    return Forms(original=len(seen.clean), stored=0, missing=0)
