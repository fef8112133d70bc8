"""The contract of a model file: views, normalisation, calibration, policies and origin, as one frozen object.

The card travels inside the ONNX file's metadata, so that weights and preprocessing cannot be separated.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal, Self, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from src.utils.errors import ModelError, PolicyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

METADATA_KEY = "detector_card"
"""Key of the card's JSON in the ONNX file's `metadata_props`."""

Label = Literal["real", "ai_generated"]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Triple = tuple[float, float, float]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ViewPlan(_Frozen):
    """Which views of a photo the network sees.

    Attributes:
        max_side: Cap of the photo's long side in pixels; larger photos are shrunk before views are cut.
        global_sizes: One global view for each: the whole photo, its aspect kept, with about as many pixels as
            a square of this side; the first one gives heatmap and embedding.
        crop_size: Side in pixels of a crop at the photo's own scale.
        crops: Number of crops; 0 leaves the global views alone.
        global_weight: Weight of the mean global logit; the mean crop logit gets the rest.
    """

    max_side: int = Field(default=1024, ge=32, le=8192)
    global_sizes: tuple[Annotated[int, Field(ge=32, le=2048)], ...] = Field(default=(384, 256), min_length=1)
    crop_size: int = Field(default=224, ge=32, le=2048)
    crops: int = Field(default=4, ge=0, le=64)
    global_weight: Fraction = 0.5


class Calibration(_Frozen):
    """Logit to probability by temperature and bias (Platt 1999; Guo et al. 2017)."""

    temperature: float = Field(default=1.0, gt=0.0)
    bias: float = 0.0

    @overload
    def probability(self, logit: float) -> float: ...
    @overload
    def probability(self, logit: NDArray[np.floating]) -> NDArray[np.float64]: ...
    def probability(self, logit: float | NDArray[np.floating]) -> float | NDArray[np.float64]:
        """Return sigmoid(logit / temperature + bias), the probability of "AI-generated".

        Args:
            logit: One raw logit, or an array of any shape.

        Returns:
            A float for a float, a float64 array of the same shape for an array.
        """
        # 0.5 * (1 + tanh(x / 2)) is the sigmoid without overflow at either end.
        if isinstance(logit, float | int):
            return 0.5 * (1.0 + math.tanh(0.5 * (logit / self.temperature + self.bias)))
        # Only those who have arrays pay for the import: the service must be importable fast.
        import numpy as np  # noqa: PLC0415

        score = np.asarray(logit, np.float64) / self.temperature + self.bias
        probability: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * score))
        return probability


class Policy(_Frozen):
    """A named decision rule over the calibrated probability.

    Attributes:
        threshold: A photo is labelled AI-generated from this probability on.
        review_low: From this probability on a person should look.
        review_high: From this probability on nobody needs to look any more.
        description: What the threshold was chosen for.
    """

    threshold: Fraction
    review_low: Fraction
    review_high: Fraction
    description: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.review_low <= self.threshold <= self.review_high:
            raise ValueError("review_low <= threshold <= review_high must hold")
        return self

    def is_fake(self, probability: float) -> bool:
        """Whether the label at this probability is "AI-generated"."""
        return probability >= self.threshold

    def needs_review(self, probability: float) -> bool:
        """Whether the probability lies in the half-open review band."""
        return self.review_low <= probability < self.review_high


class TrainingFacts(_Frozen):
    """What a network was trained on: enough to refuse calling shops unseen that it saw.

    Attributes:
        photos: Number of training photos.
        steps: Optimiser steps that were done, in the run and in those that gave its start weights.
        splits_hash: Identity of the splits (`src.data.splits.splits_hash`).
        held_out_fold: The fold of whole shops that it never saw; None for a network trained on known shops.
    """

    photos: int = Field(ge=1)
    steps: int = Field(ge=1)
    splits_hash: str = Field(min_length=1)
    held_out_fold: int | None = None


class ModelCard(_Frozen):
    """All that serving, evaluation and monitoring must know about one model file."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    architecture: str
    views: ViewPlan
    mean: Triple
    std: Triple
    calibration: Calibration
    policies: dict[str, Policy]
    default_policy: str = "balanced"
    metrics: dict[str, float] = Field(default_factory=dict)
    data_hash: str = ""
    git_commit: str = ""
    created: str = ""
    drift_reference: str | None = None
    training: TrainingFacts | None = None

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.default_policy not in self.policies:
            raise ValueError(f"default policy {self.default_policy!r} is not among the policies")
        if min(self.std) <= 0.0:
            raise ValueError("std must be positive in every channel")
        return self

    def policy(self, name: str | None = None) -> tuple[str, Policy]:
        """Resolve a policy's name; `None` is the card's default.

        Returns:
            The resolved name and the policy.

        Raises:
            PolicyError: The card knows no policy of this name.
        """
        resolved = self.default_policy if name is None else name
        if resolved not in self.policies:
            known = ", ".join(sorted(self.policies))
            raise PolicyError(f"unknown policy; this model knows: {known}")
        return resolved, self.policies[resolved]

    def to_json(self) -> str:
        """Return the card as JSON, as it is written into the ONNX metadata."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse a card.

        Raises:
            ModelError: The text is no JSON, lacks a field, has an unknown one, or a value is out of range.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "card"
            raise ModelError(f"invalid model card: {where}: {first['msg']}") from error
