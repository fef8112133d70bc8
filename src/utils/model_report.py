"""What was measured of one model, to travel beside it: figures by policy, and by any other threshold."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.utils.errors import DataError

Dataset = Literal["test", "unseen", "heldout"]
"""`test`: new photos of shops that training knew. `unseen`: shops that the judging network never saw.
`heldout`: fakes of generators that it never saw, beside the real photos of `test`."""


class _Frozen(BaseModel):
    # Read also by those who are older than what wrote it.
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Estimate(_Frozen):
    """One figure with its 95 % interval over shops; None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


class ThresholdRow(_Frozen):
    """What a threshold costs and brings.

    Attributes:
        threshold: Photos are called AI-generated from this probability on.
        false_positives: Share of real photos that are called AI-generated.
        recall: Share of AI-generated pictures that are found.
    """

    threshold: float = Field(ge=0.0, le=1.0)
    false_positives: Estimate
    recall: Estimate


class ReliabilityBin(_Frozen):
    """Photos of similar probability.

    Attributes:
        probability: Their mean probability.
        share: Share of them that is AI-generated.
        real: Number of real photos.
        fake: Number of AI-generated pictures.
    """

    probability: float
    share: float
    real: int
    fake: int


class Curve(_Frozen):
    """All thresholds on one data set in one tier, ascending, and how true the probabilities are.

    Attributes:
        photos: Number of photos.
        fakes: Of these, AI-generated.
        sources: Number of shops and data sets.
        reliability: Bins of equal width that hold photos.
    """

    dataset: Dataset
    tier: str
    photos: int
    fakes: int
    sources: int
    rows: tuple[ThresholdRow, ...]
    reliability: tuple[ReliabilityBin, ...] = ()


class PolicyFigures(_Frozen):
    """Figures of one data set in one tier under one policy; every photo counts once."""

    dataset: Dataset
    tier: str
    policy: str
    photos: int
    fakes: int
    figures: dict[str, Estimate]
    review_share: float


class ModelReport(_Frozen):
    """What was measured of one model.

    Attributes:
        curves: By data set and tier.
        policies: By data set, tier and policy.
    """

    model_name: str
    model_version: str
    curves: tuple[Curve, ...]
    policies: tuple[PolicyFigures, ...]

    def curve(self, dataset: Dataset, tier: str) -> Curve | None:
        """Find a curve; None if there is none."""
        return next((each for each in self.curves if (each.dataset, each.tier) == (dataset, tier)), None)

    def of_policy(
        self, policy: str, dataset: Dataset = "unseen", tier: str = "clean"
    ) -> PolicyFigures | None:
        """Find the figures of a policy; None if there are none."""
        wanted = (policy, dataset, tier)
        return next(
            (each for each in self.policies if (each.policy, each.dataset, each.tier) == wanted), None
        )


def beside(model: Path) -> Path:
    """Return where a model's report lies: `detector.report.json` beside `detector.onnx`."""
    return model.with_suffix(".report.json")


def read_model_report(path: Path) -> ModelReport | None:
    """Read a report; None if there is no such file.

    Raises:
        DataError: It is damaged.
    """
    try:
        return ModelReport.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise DataError(f"{path.name} is no model report") from error
