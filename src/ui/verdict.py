"""A verdict in plain words: what the detector thinks, what that means, and what it does not mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from src.client import KeptPrediction, Prediction
from src.ui.strings import verdict as text
from src.ui.wording import apart, interval, percent, policy
from src.utils.model_report import ModelReport

Tone = Literal["fake", "real", "doubt"]


@dataclass(frozen=True, slots=True)
class Words:
    """What the card of a verdict says.

    Attributes:
        tone: Decides the card's colour.
        title: The verdict.
        flag: That a person should look; empty where nobody needs to.
        sentence: Probability and threshold.
        means: What follows from it.
        means_not: What does not.
        known_error: How often this policy was wrong where it was measured; empty without a report.
    """

    tone: Tone
    title: str
    flag: str
    sentence: str
    means: str
    means_not: str
    known_error: str


def words_of(found: Prediction | KeptPrediction, report: ModelReport | None = None) -> Words:
    """Put a verdict into words.

    Args:
        found: The verdict.
        report: Figures of the model in service; used if they are of the model that gave the verdict.
    """
    origin = found.provenance if isinstance(found, Prediction) else None
    declared = origin is not None and origin.basis == "provenance" and origin.label != found.label
    against = origin is not None and origin.needs_review
    unsure = not declared and (found.needs_review or against)
    key = f"{'ai' if found.label == 'ai_generated' else 'real'}_{'unsure' if found.needs_review else 'sure'}"
    if declared:
        key = "declared"
    chance, threshold = apart(found.probability, found.threshold)
    sentence = text.SENTENCE.format(chance=chance, policy=policy(found.policy), threshold=threshold)
    if found.needs_review and not declared:
        sentence = f"{sentence} {text.UNSURE_SENTENCE}"
    is_fake = declared or found.label == "ai_generated"
    tone: Tone = "doubt" if unsure else "fake" if is_fake else "real"
    return Words(
        tone,
        text.VERDICTS[key],
        text.REVIEW_FLAG if unsure else "",
        sentence,
        text.MEANING[key],
        text.NOT_MEANING[key],
        _known_error(found, report),
    )


def _known_error(found: Prediction | KeptPrediction, report: ModelReport | None) -> str:
    if report is None or report.model_version != found.model_version:
        return ""
    measured = report.of_policy(found.policy)
    if measured is None:
        return ""
    honest, recall = measured.figures.get("specificity"), measured.figures.get("recall")
    if honest is None or recall is None or honest.value is None:
        return ""
    low, high = (None if each is None else 1.0 - each for each in (honest.high, honest.low))
    return text.KNOWN_ERROR.format(
        share=interval(1.0 - honest.value, low, high), recall=percent(recall.value, 1)
    )
