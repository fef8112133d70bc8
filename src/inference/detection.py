"""The one result type that every consumer speaks: API, CLI, store, scan, evaluation."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, SkipValidation
from pydantic.json_schema import SkipJsonSchema

from src.inference.evidence import Attribution, Stability
from src.inference.heatmap import Grid
from src.utils.model_card import Fraction, Label, Policy

# Numbers of the model's own need no validation, and an array has no JSON schema.
Vector = Annotated[NDArray[np.float32], SkipValidation, SkipJsonSchema()]


class Detection(BaseModel):
    """A verdict on one photo, with all that explains it.

    Attributes:
        label: `ai_generated` from the policy's threshold on, else `real`.
        probability: Calibrated probability that the photo is AI-generated.
        confidence: Probability of the given label: `probability`, or 1 - `probability` for `real`.
        needs_review: The probability lies in the policy's review band, or the verdict is known to flip when
            the photo is saved again.
        threshold: The policy's threshold.
        policy: Name of the policy.
        model_version: Version in the model card.
        logit: The views' logits combined, before calibration.
        global_logit: Mean logit of the global views.
        crop_logits: Logits of the crops, most detailed crop first.
        heatmap: Rows of 0..1, top left first, see `heatmap.assemble`.
        timings_ms: Milliseconds for `decode`, `views`, `inference` and `total`; in a batch, `inference` is an
            equal share of the batch's.
        attribution: The family of generators that it resembles, where the verdict is `ai_generated` or
            doubtful and the model has an attributor.
        stability: How the verdict holds when the photo is saved again, where that was asked for.
        embedding: float32 [D], features of the first global view; read-only, never part of the JSON.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), arbitrary_types_allowed=True
    )

    label: Label
    probability: Fraction
    confidence: Fraction
    needs_review: bool
    threshold: Fraction
    policy: str
    model_version: str
    logit: float
    global_logit: float
    crop_logits: tuple[float, ...]
    heatmap: Grid | None
    timings_ms: dict[str, float]
    attribution: Attribution | None = None
    stability: Stability | None = None
    embedding: Vector = Field(exclude=True, repr=False)


def verdict(probability: float, policy: Policy) -> tuple[Label, float, bool]:
    """Apply a policy.

    Returns:
        Label, confidence in this label, and whether a person should look.
    """
    fake = policy.is_fake(probability)
    confidence = probability if fake else 1.0 - probability
    return "ai_generated" if fake else "real", confidence, policy.needs_review(probability)
