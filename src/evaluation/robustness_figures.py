"""What is measured of each change of a picture: the contents of `robustness.json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from src.evaluation.bootstrap import Figure
from src.evaluation.robustness_sample import Sample


class ChangeRow(BaseModel):
    """What one change did.

    Attributes:
        group: Kind of change.
        name: The change.
        specificity: Share of real photos called real.
        recall: Share of AI-generated pictures found.
        auroc: Of the logits.
        auroc_change: The same minus that of the untouched pictures.
        flipped_real: Share of real photos whose label is another than untouched, to either side.
        flipped_fake: The same of AI-generated ones.
        strict_specificity: Specificity under `low_false_positive`; undefined where the card lacks it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: str
    name: str
    specificity: Figure
    recall: Figure
    auroc: Figure
    auroc_change: Figure
    flipped_real: Figure
    flipped_fake: Figure
    strict_specificity: Figure


class Robustness(BaseModel):
    """The whole measurement; what `robustness.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: Sample
    policy: str
    rows: list[ChangeRow]
