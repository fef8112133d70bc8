"""All that the model card is made of, in one object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.data.manifest import PhotoRecord
from src.evaluation.adversarial import Adversarial
from src.evaluation.comparison_page import Comparison
from src.evaluation.figures import Report
from src.evaluation.partial_page import Partial
from src.evaluation.robustness_figures import Robustness
from src.utils.model_card import ModelCard

REPORTS = "../reports/detector"
STYLES = {
    "seller": "sellers' own photos",
    "studio": "studio and stock photos",
    "render": "catalogue renders",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the page is made of; a measurement of another version of the model is None.

    Attributes:
        card: Of the shipped file.
        report: Of the same model.
        records: The manifest.
        robustness: Re-encodings, frames, prints.
        adversarial: Attacks.
        partial: Partly generated photos.
        comparison: Beside another detector.
    """

    card: ModelCard
    report: Report
    records: Sequence[PhotoRecord]
    robustness: Robustness | None
    adversarial: Adversarial | None
    partial: Partial | None
    comparison: Comparison | None
