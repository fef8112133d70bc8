"""How a verdict holds, and which generator it may be: two pieces of evidence in plain words."""

from __future__ import annotations

from math import ceil

from src.client import Attribution, Prediction, Stability
from src.ui.strings import verdict as text
from src.ui.wording import percent


def stability_words(found: Prediction) -> tuple[str, list[str]]:
    """Say how a verdict holds when the photo is saved again.

    Returns:
        A sentence, and a line for each form; nothing where it was not asked for.
    """
    stability = found.evidence.stability if found.evidence is not None else None
    if stability is None:
        return "", []
    lines = [
        text.FORM.format(name=text.FORMS.get(name, name), chance=percent(chance))
        for name, chance in stability.probabilities.items()
    ]
    if not stability.flips:
        moved = ceil(round(100 * (1.0 - stability.score), 6))
        return text.STABLE.format(moved=moved), lines
    return text.FLIPS.format(forms=", ".join(_flipped(found, stability))), lines


def attribution_words(attribution: Attribution | None) -> str:
    """Say which family a picture resembles, never as certain; nothing where that is not told."""
    if attribution is None:
        return ""
    if attribution.unknown or attribution.family is None:
        return text.ATTRIBUTION_UNKNOWN
    family = text.FAMILIES.get(attribution.family, attribution.family)
    return text.ATTRIBUTED.format(family=family, chance=percent(attribution.confidence))


def _flipped(found: Prediction, stability: Stability) -> list[str]:
    is_fake = found.label == "ai_generated"
    return [
        text.FORMS.get(name, name)
        for name, chance in stability.probabilities.items()
        if (chance >= found.threshold) != is_fake
    ]
