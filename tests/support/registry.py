"""A registry of the tests' own, and reports as an evaluation would write them."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from src.data.census import Balance
from src.data.checks import Problem
from src.data.report import ValidationReport
from src.evaluation.bootstrap import Figure
from src.evaluation.card import network_hash, read_card
from src.evaluation.counterfactual import Counterfactual
from src.evaluation.factcheck import FactRow
from src.evaluation.figures import Block, Report, SliceSet
from src.evaluation.lengths import Lengths
from src.evaluation.origin import Forms
from src.evaluation.shortcut import FactSet, ShortcutReport
from src.evaluation.slices import PROXIES, SliceRow
from src.utils.model_card import TrainingFacts
from tests.support.tiny_model import tiny_card, write_tiny_model

POLICIES = ("balanced", "low_false_positive", "high_recall")
TIERS = ("clean", "web", "hard")


@cache
def shared_registry() -> str:
    """A SQLite registry for the whole run, as making one takes seconds; tests name their models."""
    folder = tempfile.mkdtemp(prefix="detector-registry-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return f"sqlite:///{folder}/mlflow.db"


@dataclass(frozen=True)
class Passing:
    """A gate's result for tests that are not about gates."""

    name: str = "any"
    passed: bool = True


def judged_model(folder: Path, version: str = "1.0.0", **figures: Any) -> tuple[Path, Path]:
    """A tiny model and its report, which passes every gate unless `figures` say otherwise."""
    facts = TrainingFacts(photos=99, steps=1500, splits_hash="s")
    model = write_tiny_model(folder / f"{version}.onnx", tiny_card(version=version, training=facts))
    report = folder / f"{version}.json"
    report.write_text(report_of(model, **figures).model_dump_json(), encoding="utf-8")
    return model, report


def report_of(
    model: Path,
    *,
    metrics: dict[tuple[str, str, str, str], float] | None = None,
    slices: dict[tuple[str, str, str], float] | None = None,
    splits_hash: str = "s",
    spearman: float = 0.1,
    cost: float | None = 0.5,
) -> Report:
    """The report of a good model.

    Args:
        model: The file it is about.
        metrics: (dataset, tier, policy, metric) -> value, for figures that differ.
        slices: (dataset, axis, name) -> share judged rightly, for slices that differ or are added.
        splits_hash: Of the splits.
        spearman: Largest correlation of a file fact.
        cost: Points lost to re-encoding.
    """
    card, network = read_card(model), network_hash(model)
    rows: dict[tuple[str, str, str], float] = {
        (dataset, axis, name): 0.9
        for dataset in ("test", "unseen")
        for axis, name in (("style", "studio"), ("style", "seller"), ("family", "flux"), ("family", "openai"))
    }
    return Report(
        model_name=card.name,
        model_version=card.version,
        network=network,
        data_hash=card.data_hash,
        splits_hash=splits_hash,
        lengths=Lengths(released=1500, folds={0: 550}),
        forms={name: Forms(original=400, stored=0, missing=0) for name in ("test", "unseen")},
        samples={},
        views=card.views,
        fold_plans={0: card.views},
        calibration=card.calibration,
        policies=card.policies,
        fold_calibrations={0: card.calibration},
        blocks=[
            _block(dataset, tier, policy, metrics or {})
            for dataset in ("test", "unseen")
            for tier in TIERS
            for policy in POLICIES
        ],
        slices=[
            SliceSet(dataset=dataset, tier="clean", rows=_rows(dataset, rows | (slices or {})))
            for dataset in ("test", "unseen")
        ],
        ablation=[],
        view_grid=[],
        shortcut=[_shortcut(network, spearman, cost)],
        latency=None,
        bars=[],
    )


def valid_data(*, errors: int = 0) -> ValidationReport:
    """What `make validate` finds in sound data, or in data with errors."""
    leak = Problem(severity="error", check="one_split", message="it leaks", count=errors, examples=())
    odd = Problem(severity="warning", check="year", message="no year", count=3, examples=())
    balance = Balance(photos={}, sources={}, groups={}, tables={}, source_sizes={}, largest_sources={})
    return ValidationReport(
        manifest_hash="m",
        photos=9,
        files={},
        problems=(leak, odd) if errors else (odd,),
        pairs=(),
        balance=balance,
        census={},
        probe={},
    )


def _block(dataset: Any, tier: str, policy: str, changed: dict[tuple[str, str, str, str], float]) -> Block:
    good = {"auroc": 0.95, "specificity": 0.985, "balanced_accuracy": 0.9, "ece": 0.04, "recall": 0.9}
    figures = {
        metric: Figure(value=changed.get((dataset, tier, policy, metric), value))
        for metric, value in good.items()
    }
    return Block(
        dataset=dataset,
        tier=tier,
        policy=policy,
        weighting="photos",
        photos=400,
        fakes=200,
        sources=20,
        figures=figures,
        review_share=0.1,
        error_in_review=0.3,
        error_outside=0.05,
    )


def _rows(dataset: str, shares: dict[tuple[str, str, str], float]) -> list[SliceRow]:
    return [
        SliceRow(
            axis=axis,  # type: ignore[arg-type]
            name=name,
            label="real" if axis in ("style", *PROXIES) else "ai_generated",
            photos=400,
            sources=9,
            right={policy: Figure(value=share) for policy in POLICIES},
            auroc=Figure(value=0.95),
        )
        for (where, axis, name), share in shares.items()
        if where == dataset
    ]


def _shortcut(network: str, spearman: float, cost: float | None) -> ShortcutReport:
    row = FactRow(
        fact="quality", label="real", photos=99, spearman=Figure(value=spearman), within_source=None
    )
    return ShortcutReport(
        name="test",
        network=network,
        facts=[FactSet(scores="test", networks=[network], rows=[row])],
        counterfactual=_counterfactual(cost),
    )


def _counterfactual(cost: float | None) -> Counterfactual:
    shares = {"untouched": 95.0, "own": 95.0, "other": 94.5}
    nothing = Figure(value=0.0)
    return Counterfactual(
        photos=99,
        balanced_accuracy=shares,  # type: ignore[arg-type]
        cost=Figure(value=cost),
        control=nothing,
        net=nothing,
    )
