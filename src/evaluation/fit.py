"""Chooses views, fits calibration and policies on scores of unseen shops, and writes them into the card.

Thresholds fitted on known shops accuse strangers; so the scores must come from fold networks that never saw
the photo's shop. The released network, trained on all shops, takes over what they teach; how long each was
trained is said beside every figure.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from src.evaluation.card import network_hash, read_card, write_card
from src.evaluation.command import expand, parser, run_command
from src.evaluation.crossfit import cross_fit, fit
from src.evaluation.lengths import Lengths
from src.evaluation.metrics import all_metrics
from src.evaluation.origin import ScoreMeta, check_release, check_unseen, read_meta
from src.evaluation.scores import ScoreRow, ScoreTable, as_table, read_scores
from src.utils.errors import DataError
from src.utils.model_card import ModelCard

CARD_METRICS = ("auroc", "balanced_accuracy", "recall", "specificity", "ece")


def load_table(paths: Sequence[Path]) -> ScoreTable:
    """One table of several files, in an order of its own: the last digit of a sum depends on it.

    Raises:
        DataError: A file is invalid, or a photo is scored twice.
    """
    return as_table(sort_rows([row for path in paths for row in read_scores(path)]))


def sort_rows(rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    """Rows by photo and tier."""
    return sorted(rows, key=lambda row: (row.photo_id, row.tier))


def load_unseen(paths: Sequence[Path]) -> tuple[list[ScoreMeta], list[ScoreRow]]:
    """The score tables of all folds.

    Raises:
        DataError: They are not truly out of fold (see `check_unseen`).
    """
    metas, parts = [read_meta(path) for path in paths], [read_scores(path) for path in paths]
    check_unseen(metas, parts)
    return metas, sort_rows([row for part in parts for row in part])


def fitted_card(card: ModelCard, table: ScoreTable, metas: Sequence[ScoreMeta]) -> ModelCard:
    """The card with view plan, calibration, policies and cross-fitted figures from a table of unseen shops.

    Args:
        card: Of the network trained on all shops.
        table: Scores of all folds in all tiers.
        metas: Of the fold tables.

    Raises:
        DataError: A tier is missing, or the folds do not part whole sources.
    """
    if table.tiers != ["clean", "web", "hard"]:
        raise DataError(f"fitting needs the tiers clean, web and hard; the scores have {table.tiers}")
    judged, _ = cross_fit(table)
    fitted = fit(table)
    lengths = Lengths.of(card, metas)
    metrics = {name: value for name, value in card.metrics.items() if not name.startswith("unseen_")}
    for tier in table.tiers:
        figures = all_metrics(judged.of_tier(tier).verdicts("balanced"))
        metrics |= {f"unseen_{tier}_{name}": round(float(figures[name][0]), 4) for name in CARD_METRICS}
    forms = [meta.forms for meta in metas if meta.forms is not None]
    metrics |= {
        "unseen_photos_original": float(sum(each.original for each in forms)),
        "unseen_photos_stored_512px": float(sum(each.stored for each in forms)),
        "unseen_photos_missing": float(sum(each.missing for each in forms)),
        "unseen_network_steps_least": float(min(lengths.folds.values())),
        "unseen_network_steps_most": float(max(lengths.folds.values())),
    }
    policies = {
        name: policy.model_copy(update={"description": f"{policy.description} {lengths.origin}"})
        for name, policy in fitted.policies.items()
    }
    return card.model_copy(
        update={
            "views": fitted.choice.of(card.views),
            "calibration": fitted.calibration,
            "policies": policies,
            "default_policy": "balanced",
            "metrics": metrics,
        }
    )


def main(argv: Sequence[str]) -> int:
    """Fit and write the card."""
    args = parser("src.evaluation.fit", __doc__)
    args.add_argument("--unseen", nargs="+", required=True, help="score tables of all folds")
    args.add_argument("--model", type=Path, required=True)
    options = args.parse_args(argv)
    metas, rows = load_unseen(expand(options.unseen))
    before = read_card(options.model)
    check_release(before, network_hash(options.model), metas)
    card = fitted_card(before, as_table(rows), metas)
    write_card(options.model, card)
    views = card.views
    sys.stdout.write(f"views: {views.crops} crops, global view {views.global_weight:.2f} of the logit\n")
    sys.stdout.write(f"temperature {card.calibration.temperature:.3f}, bias {card.calibration.bias:+.3f}\n")
    for name, policy in card.policies.items():
        band = f"{policy.review_low:.3f} to {policy.review_high:.3f}"
        sys.stdout.write(f"{name:18} threshold {policy.threshold:.3f}, review {band}\n")
    steps = Lengths.of(card, metas).words
    for name, value in card.metrics.items():
        note = f"  ({steps})" if name.endswith(CARD_METRICS) and name.startswith("unseen_") else ""
        sys.stdout.write(f"{name:32} {value:.4f}{note}\n")
    return 0


if __name__ == "__main__":
    run_command(main)
