"""The report as one typed object: what `report.json` holds, and what its pages are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from src.evaluation.ablation import AblationRow, GridPoint
from src.evaluation.bootstrap import Figure
from src.evaluation.latency import Latency
from src.evaluation.lengths import Lengths
from src.evaluation.origin import Forms
from src.evaluation.shortcut import ShortcutReport
from src.evaluation.slices import SliceRow
from src.utils.errors import DataError
from src.utils.model_card import Calibration, Policy, ViewPlan

Dataset = Literal["test", "unseen", "heldout"]
Weighting = Literal["photos", "shops"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Block(_Frozen):
    """All figures of one data set in one tier under one policy.

    Attributes:
        dataset: `test` (new photos of known shops), `unseen` (shops the network never saw) or `heldout`
            (fakes of generators that it never saw, beside the real photos of `test`).
        tier: The tier.
        policy: The policy.
        weighting: Whether each photo counts once, or each shop.
        photos: Number of photos.
        fakes: Of these, AI-generated.
        sources: Number of sources.
        figures: Metric -> figure.
        review_share: Share of photos inside the review band.
        error_in_review: Share of wrong verdicts inside the band; None when it is empty.
        error_outside: Share of wrong verdicts outside the band; None when all lie inside.
    """

    dataset: Dataset
    tier: str
    policy: str
    weighting: Weighting
    photos: int
    fakes: int
    sources: int
    figures: dict[str, Figure]
    review_share: float
    error_in_review: float | None
    error_outside: float | None


class SliceSet(_Frozen):
    """The slices of one data set in one tier."""

    dataset: Dataset
    tier: str
    rows: list[SliceRow]


class Bar(_Frozen):
    """A figure held against what was asked for."""

    name: str
    value: float
    bar: str
    met: bool


class Report(_Frozen):
    """Everything measured of one released model.

    Attributes:
        network: Its hash.
        splits_hash: Of the splits that it and the fold networks were trained by.
        lengths: How long each was trained.
        forms: Data set -> what its photos were scored from.
        samples: Data set -> the limit of its tables, where only a sample was scored.
        views: The chosen plan.
        fold_plans: Fold -> the plan that the other folds chose.
        fold_calibrations: Fold -> the calibration that the other folds taught.
        view_grid: AUROC of every plan that was open.
    """

    model_name: str
    model_version: str
    network: str
    data_hash: str
    splits_hash: str
    lengths: Lengths
    forms: dict[Dataset, Forms]
    samples: dict[Dataset, int]
    views: ViewPlan
    fold_plans: dict[int, ViewPlan]
    calibration: Calibration
    policies: dict[str, Policy]
    fold_calibrations: dict[int, Calibration]
    blocks: list[Block]
    slices: list[SliceSet]
    ablation: list[AblationRow]
    view_grid: list[GridPoint]
    shortcut: list[ShortcutReport]
    latency: Latency | None
    bars: list[Bar]

    @property
    def datasets(self) -> list[Dataset]:
        """The data sets that there are."""
        known: tuple[Dataset, ...] = ("test", "unseen", "heldout")
        return [each for each in known if each in self.forms]

    def block(
        self, dataset: Dataset, tier: str = "clean", policy: str = "balanced", weighting: Weighting = "photos"
    ) -> Block:
        """Find a block.

        Raises:
            DataError: The report has none such.
        """
        for each in self.blocks:
            if (each.dataset, each.tier, each.policy, each.weighting) == (dataset, tier, policy, weighting):
                return each
        raise DataError(f"the report has no figures for {dataset}, {tier}, {policy}, {weighting}")

    def slice_rows(self, dataset: Dataset, tier: str, axis: str) -> list[SliceRow]:
        """The slices along one axis; empty when there are none."""
        return [
            row
            for each in self.slices
            if (each.dataset, each.tier) == (dataset, tier)
            for row in each.rows
            if row.axis == axis
        ]


def read_report(path: Path) -> Report:
    """Read `report.json`.

    Raises:
        DataError: The file is missing or invalid.
    """
    try:
        return Report.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"no {path.name}: make the report first") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise DataError(f"{path.name} is no report: {first['loc']}: {first['msg']}") from error
