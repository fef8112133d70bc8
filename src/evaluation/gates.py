"""Gates between a candidate and the place of the champion: reports and re-runs in, one result a gate out.

Pure functions; a figure that was not measured fails its gate. `value` is held against `limit`; `margin` is
how much room is left, and below zero how much is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.data.report import ValidationReport
from src.evaluation.counterfactual import MAX_COST
from src.evaluation.factcheck import MAX_SPEARMAN
from src.evaluation.figures import Dataset, Report
from src.evaluation.rerun import PARITY_LIMIT, Rerun
from src.evaluation.slices import SliceRow
from src.utils.errors import ConfigError, DataError
from src.utils.model_card import ModelCard

BALANCED, HEADLINE = "balanced", "low_false_positive"
_AXES = ("family", "style", "generator")
_DATASETS: tuple[Dataset, ...] = ("test", "unseen", "heldout")


class GateLimits(BaseModel):
    """What is asked of a candidate; shares are fractions of 1.

    Attributes:
        slice_margin: A generator family or a style of real photos may be judged so much worse than by the
            champion,
        slice_errors: and so many standard errors of its share more, since small slices are noisy.
        min_style_specificity: Of every style of real photos under `balanced`.
        min_headline_specificity: Of all real photos under `low_false_positive`.
        headline_margin: It, and balanced accuracy, may be so much worse than the champion's.
        max_ece: Expected calibration error.
        ece_margin: It may be so much worse than the champion's.
        min_auroc: By tier of damage.
        tier_margin: AUROC in each tier may be so much worse than the champion's.
        max_latency_ms: Median of one thread on drawn pictures, on the machine that holds the gates.
        latency_ratio: It, divided by the champion's.
        max_megabytes: Of the file.
        size_ratio: It, divided by the champion's.
        same_splits: Figures of two models are compared only on the same division of the same photos.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slice_margin: float = Field(default=0.03, ge=0)
    slice_errors: float = Field(default=1.0, ge=0)
    min_style_specificity: float = 0.60
    min_headline_specificity: float = 0.95
    headline_margin: float = Field(default=0.01, ge=0)
    max_ece: float = 0.10
    ece_margin: float = Field(default=0.02, ge=0)
    min_auroc: dict[str, float] = {"clean": 0.85, "web": 0.75, "hard": 0.65}
    tier_margin: float = Field(default=0.01, ge=0)
    max_latency_ms: float = 400.0
    latency_ratio: float = 1.5
    max_megabytes: float = 40.0
    size_ratio: float = 2.0
    same_splits: bool = True


class GateResult(BaseModel):
    """One gate.

    Attributes:
        name: What is asked, such as `family flux, unseen, against champion`.
        passed: Whether it is held.
        value: What was found; None when it was not measured.
        limit: What it is held against.
        margin: Room left; negative when the gate is missed, None when nothing was measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    passed: bool
    value: float | None
    limit: float
    margin: float | None

    @property
    def words(self) -> str:
        """One line for people."""
        if self.value is None or self.margin is None:
            return f"{self.name}: not measured (limit {self.limit:.4g})"
        miss = "" if self.passed else f", misses by {-self.margin:.4g}"
        return f"{self.name}: {self.value:.4g} (limit {self.limit:.4g}{miss})"


def load_limits(path: Path) -> GateLimits:
    """Read `configs/gates.yaml`.

    Raises:
        ConfigError: The file is missing, no YAML, or has an unknown or invalid key.
    """
    try:
        return GateLimits.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"{path.name}: {error}") from error


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
        *_slices(candidate, champion, asked),
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
        _at_most("answers that are not finite", float(candidate.not_finite), 0.0),
        _at_most("probability moved by asking again", candidate.repeat_difference, 0.0),
        _at_most("probability moved by the batch", candidate.batch_difference, PARITY_LIMIT),
        _at_most("latency, ms", candidate.median_ms, asked.max_latency_ms),
        _at_most("size, MB", candidate.megabytes, asked.max_megabytes),
    ]
    if champion is not None:
        ratio = candidate.median_ms / champion.median_ms
        results.append(_at_most("latency against champion", ratio, asked.latency_ratio))
        ratio = candidate.megabytes / champion.megabytes
        results.append(_at_most("size against champion", ratio, asked.size_ratio))
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
        _same("report is of this network", network, report.network),
        _same(
            "report is of this card", _judged_by(card), (report.calibration, report.policies, report.views)
        ),
        _same("trained by the splits of the report", splits, report.splits_hash),
        _same("training data of the report", card.data_hash, report.data_hash),
        _at_most("errors and leaks in the data", errors, 0.0),
    ]


def _judged_by(card: ModelCard) -> tuple[object, ...]:
    return card.calibration, card.policies, card.views


def _comparable(candidate: Report, champion: Report | None, limits: GateLimits) -> Iterator[GateResult]:
    if champion is not None and limits.same_splits:
        yield _same("same splits as the champion's report", candidate.splits_hash, champion.splits_hash)


def _slices(candidate: Report, champion: Report | None, limits: GateLimits) -> Iterator[GateResult]:
    for dataset in candidate.datasets:
        for row in candidate.slice_rows(dataset, "clean", "style"):
            name = f"specificity of {row.name}, {dataset}"
            yield _at_least(name, _right(row, BALANCED), limits.min_style_specificity)
    if champion is None:
        return
    for dataset in _DATASETS:
        for axis in _AXES:
            if axis == "generator" and dataset != "heldout":
                continue  # the family holds them; single generators of known shops are a handful of photos
            mine = {row.name: row for row in candidate.slice_rows(dataset, "clean", axis)}
            for old in champion.slice_rows(dataset, "clean", axis):
                before = _right(old, BALANCED)
                if before is None:
                    continue
                noise = math.sqrt(before * (1.0 - before) / old.photos) * limits.slice_errors
                name = f"{axis} {old.name}, {dataset}, against champion"
                found = _right(mine[old.name], BALANCED) if old.name in mine else None
                yield _at_least(name, found, before - limits.slice_margin - noise)


def _headline(candidate: Report, champion: Report | None, limits: GateLimits) -> Iterator[GateResult]:
    for dataset in ("test", "unseen"):
        found = _figure(candidate, dataset, "clean", HEADLINE, "specificity")
        yield _at_least(f"headline specificity, {dataset}", found, limits.min_headline_specificity)
        if champion is None:
            continue
        for policy, metric in ((HEADLINE, "specificity"), (BALANCED, "balanced_accuracy")):
            before = _figure(champion, dataset, "clean", policy, metric)
            if before is not None:
                name = f"{metric} under {policy}, {dataset}, against champion"
                found = _figure(candidate, dataset, "clean", policy, metric)
                yield _at_least(name, found, before - limits.headline_margin)


def _calibration(candidate: Report, champion: Report | None, limits: GateLimits) -> Iterator[GateResult]:
    for dataset in ("test", "unseen"):
        found = _figure(candidate, dataset, "clean", BALANCED, "ece")
        yield _at_most(f"calibration error, {dataset}", found, limits.max_ece)
        before = None if champion is None else _figure(champion, dataset, "clean", BALANCED, "ece")
        if before is not None:
            name = f"calibration error, {dataset}, against champion"
            yield _at_most(name, found, before + limits.ece_margin)


def _tiers(candidate: Report, champion: Report | None, limits: GateLimits) -> Iterator[GateResult]:
    for tier, least in limits.min_auroc.items():
        for dataset in ("test", "unseen"):
            found = _figure(candidate, dataset, tier, BALANCED, "auroc")
            yield _at_least(f"AUROC, {dataset}, {tier}", found, least)
            before = None if champion is None else _figure(champion, dataset, tier, BALANCED, "auroc")
            if before is not None:
                name = f"AUROC, {dataset}, {tier}, against champion"
                yield _at_least(name, found, before - limits.tier_margin)


def _shortcuts(candidate: Report) -> Iterator[GateResult]:
    facts = [each.worst_spearman for check in candidate.shortcut for each in check.facts]
    costs = [check.counterfactual.cost.value for check in candidate.shortcut]
    known = [cost for cost in costs if cost is not None]
    yield _at_most("largest Spearman of a file fact", max(facts, default=None), MAX_SPEARMAN)
    cost = max(known) if known and len(known) == len(costs) else None
    yield _at_most("points lost to re-encoding", cost, MAX_COST)


def _right(row: SliceRow, policy: str) -> float | None:
    figure = row.right.get(policy)
    return None if figure is None else figure.value


def _figure(
    report: Report, dataset: Literal["test", "unseen"], tier: str, policy: str, metric: str
) -> float | None:
    try:
        figure = report.block(dataset, tier, policy).figures.get(metric)
    except DataError:
        return None
    return None if figure is None else figure.value


def _at_least(name: str, value: float | None, limit: float) -> GateResult:
    return _result(name, value, limit, None if value is None else value - limit)


def _at_most(name: str, value: float | None, limit: float) -> GateResult:
    return _result(name, value, limit, None if value is None else limit - value)


def _same(name: str, mine: object, other: object) -> GateResult:
    differ = float(mine is None or mine != other)
    return _result(name, differ, 0.0, -differ)


def _result(name: str, value: float | None, limit: float, margin: float | None) -> GateResult:
    # A NaN is no passing figure: every comparison with it is false.
    passed = margin is not None and margin >= 0.0
    return GateResult(name=name, passed=passed, value=value, limit=limit, margin=margin)


def missed(results: Sequence[GateResult]) -> list[GateResult]:
    """The gates that are not passed."""
    return [each for each in results if not each.passed]
