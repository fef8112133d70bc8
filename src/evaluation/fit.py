"""Fits calibration and policies on scores of unseen shops and writes them into the model file's card.

Thresholds fitted on known shops accuse strangers; so the scores must come from fold networks that never saw
the photo's shop. The released network is trained by the same recipe on all shops and takes over what they
teach.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from src.evaluation.card import read_card, write_card
from src.evaluation.command import expand, parser, run_command
from src.evaluation.crossfit import cross_fit, fit
from src.evaluation.metrics import all_metrics
from src.evaluation.scores import ScoreTable, as_table, read_scores
from src.utils.errors import DataError
from src.utils.model_card import ModelCard

CARD_METRICS = ("auroc", "balanced_accuracy", "recall", "specificity", "ece")


def load_table(paths: Sequence[Path]) -> ScoreTable:
    """One table of several files.

    Raises:
        DataError: A file is invalid, or a photo is scored twice.
    """
    return as_table([row for path in paths for row in read_scores(path)])


def fitted_card(card: ModelCard, table: ScoreTable) -> ModelCard:
    """The card with calibration, policies and cross-fitted figures from a table of unseen shops.

    Raises:
        DataError: A tier is missing, or the folds do not part whole sources.
    """
    if table.tiers != ["clean", "web", "hard"]:
        raise DataError(f"fitting needs the tiers clean, web and hard; the scores have {table.tiers}")
    judged, _ = cross_fit(table)
    fitted = fit(table)
    metrics = dict(card.metrics)
    for tier in table.tiers:
        figures = all_metrics(judged.of_tier(tier).verdicts("balanced"))
        metrics |= {f"unseen_{tier}_{name}": round(float(figures[name][0]), 4) for name in CARD_METRICS}
    return card.model_copy(
        update={
            "calibration": fitted.calibration,
            "policies": fitted.policies,
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
    card = fitted_card(read_card(options.model), load_table(expand(options.unseen)))
    write_card(options.model, card)
    sys.stdout.write(f"temperature {card.calibration.temperature:.3f}, bias {card.calibration.bias:+.3f}\n")
    for name, policy in card.policies.items():
        band = f"{policy.review_low:.3f} to {policy.review_high:.3f}"
        sys.stdout.write(f"{name:18} threshold {policy.threshold:.3f}, review {band}\n")
    for name, value in card.metrics.items():
        sys.stdout.write(f"{name:32} {value:.4f}\n")
    return 0


if __name__ == "__main__":
    run_command(main)
