"""What may stand beside a verdict: how it holds when saved again, and whose picture it may be."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from src.utils.model_card import Fraction


class Stability(BaseModel):
    """How much a verdict moves under the re-encodings of `stability.VARIANTS`.

    Attributes:
        score: 1 - the largest change of the probability; 1 for a verdict that does not move.
        flips: The label changes under at least one of them.
        probabilities: Variant -> probability that the photo is AI-generated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: Fraction = Field(description="1 - the largest change of the probability; 1: it does not move.")
    flips: bool = Field(description="Saved again in one of these forms, the photo gets the other label.")
    probabilities: dict[str, Fraction] = Field(
        min_length=1, description="Form -> probability of AI-generated."
    )


class Attribution(BaseModel):
    """Which family of generators a picture resembles most, if it is one of theirs; a hint, never a finding.

    Attributes:
        family: As in `src.data.families`; None when unknown.
        confidence: Calibrated probability of the nearest family among those that are known, also when this is
            too little to name it.
        unknown: Far from all known families, or too close to several to name one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str | None = Field(description="Family of generators; null when unknown.")
    confidence: Fraction = Field(
        description="Probability of the nearest family among those known, also where it is not named."
    )
    unknown: bool = Field(description="Far from all known families, or too unsure to name one.")
