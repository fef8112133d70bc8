"""Gates between a candidate and the place of the champion: reports and re-runs in, one result a gate out.

Pure functions; a figure that was not measured fails its gate, but where `slice_gates.hold_proxies` says
otherwise. `value` is held against `limit`; `margin` is how much room is left, and below zero how much is
missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from src.data.report import ValidationReport
from src.evaluation.counterfactual import MAX_COST
from src.evaluation.factcheck import MAX_SPEARMAN
from src.evaluation.figures import Report
from src.evaluation.gate_limits import GateLimits, load_limits
from src.evaluation.gate_results import GateResult, at_least, at_most, same
from src.evaluation.rerun import PARITY_LIMIT, Rerun
from src.evaluation.slice_gates import hold_proxies, hold_slices
from src.utils.errors import DataError
from src.utils.model_card import ModelCard

__all__ = [
    "GateLimits",
    "GateResult",
    "hold_data_gates",
    "hold_file_gates",
    "hold_gates",
    "load_limits",
    "missed",
]

BALANCED, HEADLINE = "balanced", "low_false_positive"


def hold_gates(
    candidate: Report, champion: Report | None, limits: GateLimits | None = None
) -> list[GateResult]:
    """Every gate of the figures: slices, headline, calibration, damage, shortcuts.

    Args:
        candidate: Report of the model that asks.
        champion: Report of the one in service; None for the first, which meets the absolute limits alone.
        limits: What is asked.
    """
    asked = limits or GateLimits()
    return [
        *_comparable(candidate, champion, asked),
        *hold_slices(candidate, champion, asked),
        *hold_proxies(candidate, champion, asked),
        *_headline(candidate, champion, asked),
        *_calibration(candidate, champion, asked),
        *_tiers(candidate, champion, asked),
        *_shortcuts(candidate),
    ]


def hold_file_gates(
    candidate: Rerun, champion: Rerun | None, limits: GateLimits | None = None
) -> list[GateResult]:
    """Every gate of the file itself: its answers, its speed, its size; both measured on one machine."""
    asked = limits or GateLimits()
    results = [
        at_most("answers that are not finite", float(candidate.not_finite), 0.0),
        at_most("probability moved by asking again", candidate.repeat_difference, 0.0),
        at_most("probability moved by the batch", candidate.batch_difference, PARITY_LIMIT),
        at_most("latency, ms", candidate.median_ms, asked.max_latency_ms),
        at_most("size, MB", candidate.megabytes, asked.max_megabytes),
    ]
    if champion is not None:
        ratio = candidate.median_ms / champion.median_ms
        results.append(at_most("latency against champion", ratio, asked.latency_ratio))
        ratio = candidate.megabytes / champion.megabytes
        results.append(at_most("size against champion", ratio, asked.size_ratio))
    return results


def hold_data_gates(
    card: ModelCard, network: str, report: Report, validation: ValidationReport | None
) -> list[GateResult]:
    """Every gate of the data: the report is of this model and of its splits, and the data were found valid.

    Args:
        card: Of the candidate.
        network: Its hash.
        report: Its report.
        validation: Of `make validate`; missing, its gate is missed.
    """
    splits = card.training.splits_hash if card.training else None
    errors = None
    if validation is not None:
        errors = float(sum(problem.count for problem in validation.problems if problem.severity == "error"))
    return [
        same("report is of this network", network, report.network),
        same("report is of this card", _judged_by(card), (report.calibration, report.policies, report.views)),
        same("trained by the splits of the report", splits, report.splits_hash),
        same("training data of the report", card.data_hash, report.data_hash),
        at_most("errors and leaks in the data", errors, 0.0),
    ]


def _judged_by(card: ModelCard) -> tuple[object, ...]:
    return card.calibration, card.policies, card.views


def _comparable(candidate: Report, champion: Report | None, limits: GateLimits) -> Iterator[GateResult]:
    if champion is not None and limits.same_splits:
        yield same("same splits as the champion's report", candidate.splits_hash, champion.splits_hash)


def _headline(candidate: Report, champion: Report | None, limits: GateLimits) -> Iterator[GateResult]:
    for dataset in ("test", "unseen"):
        found = _figure(candidate, dataset, "clean", HEADLINE, "specificity")
        yield at_least(f"headline specificity, {dataset}", found, limits.min_headline_specificity)
        if champion is None:
            continue
        for policy, metric in ((HEADLINE, "specificity"), (BALANCED, "balanced_accuracy")):
            before = _figure(champion, dataset, "clean", policy, metric)
            if before is not None:
                name = f"{metric} under {policy}, {dataset}, against champion"
                found = _figure(candidate, dataset, "clean", policy, metric)
                yield at_least(name, found, before - limits.headline_margin)


def _calibration(candidate: Report, champion: Report | None, limits: GateLimits) -> Iterator[GateResult]:
    for dataset in ("test", "unseen"):
        found = _figure(candidate, dataset, "clean", BALANCED, "ece")
        yield at_most(f"calibration error, {dataset}", found, limits.max_ece)
        before = None if champion is None else _figure(champion, dataset, "clean", BALANCED, "ece")
        if before is not None:
            name = f"calibration error, {dataset}, against champion"
            yield at_most(name, found, before + limits.ece_margin)


def _tiers(candidate: Report, champion: Report | None, limits: GateLimits) -> Iterator[GateResult]:
    for tier, least in limits.min_auroc.items():
        for dataset in ("test", "unseen"):
            found = _figure(candidate, dataset, tier, BALANCED, "auroc")
            yield at_least(f"AUROC, {dataset}, {tier}", found, least)
            before = None if champion is None else _figure(champion, dataset, tier, BALANCED, "auroc")
            if before is not None:
                name = f"AUROC, {dataset}, {tier}, against champion"
                yield at_least(name, found, before - limits.tier_margin)


def _shortcuts(candidate: Report) -> Iterator[GateResult]:
    facts = [each.worst_spearman for check in candidate.shortcut for each in check.facts]
    costs = [check.counterfactual.cost.value for check in candidate.shortcut]
    known = [cost for cost in costs if cost is not None]
    yield at_most("largest Spearman of a file fact", max(facts, default=None), MAX_SPEARMAN)
    cost = max(known) if known and len(known) == len(costs) else None
    yield at_most("points lost to re-encoding", cost, MAX_COST)


def _figure(
    report: Report, dataset: Literal["test", "unseen"], tier: str, policy: str, metric: str
) -> float | None:
    try:
        figure = report.block(dataset, tier, policy).figures.get(metric)
    except DataError:
        return None
    return None if figure is None else figure.value


def missed(results: Sequence[GateResult]) -> list[GateResult]:
    """The gates that are not passed."""
    return [each for each in results if not each.passed]
