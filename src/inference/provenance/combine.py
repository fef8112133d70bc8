"""The one rule by which a verdict by pixels and the file's own words become one answer.

Evidence can only move a verdict towards AI, never away from it: who forges a file's words gains nothing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from src.inference.provenance.signals import Provenance
from src.utils.model_card import Label

Basis = Literal["pixels", "provenance", "pixels_and_provenance", "pixels_against_provenance"]


class Combined(BaseModel):
    """The answer.

    Attributes:
        label: As for a detection.
        basis: What the label rests on. `pixels`: the file's words add nothing. `provenance`: a conclusive
            claim overrules the pixels. `pixels_and_provenance`: both say AI. `pixels_against_provenance`:
            the pixels' label stands against words that say AI and that anybody could have written.
        needs_review: A person should look, because words and pixels disagree or a part may be generated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Label
    basis: Basis
    needs_review: bool


def combine(detection_label: Label, provenance: Provenance) -> Combined:
    """Apply the rule.

    | pixels | the file says | label | basis | review |
    |---|---|---|---|---|
    | AI | AI-generated or AI-edited, strong or conclusive | AI | `pixels_and_provenance` | no |
    | real | AI-generated, conclusive | AI | `provenance` | no |
    | real | AI-generated strong, or AI-edited | real | `pixels_against_provenance` | yes |
    | any | camera, editor, weak words, none | the pixels' | `pixels` | no |

    Weak words count as none.

    Args:
        detection_label: The label by pixels.
        provenance: What the file says.
    """
    generated = provenance.strength_of("ai_generated")
    edited = provenance.strength_of("ai_edited")
    says_ai = generated in ("strong", "conclusive") or edited in ("strong", "conclusive")
    if detection_label == "ai_generated":
        return Combined(
            label="ai_generated", basis="pixels_and_provenance" if says_ai else "pixels", needs_review=False
        )
    if generated == "conclusive":
        return Combined(label="ai_generated", basis="provenance", needs_review=False)
    if says_ai:
        return Combined(label="real", basis="pixels_against_provenance", needs_review=True)
    return Combined(label="real", basis="pixels", needs_review=False)
