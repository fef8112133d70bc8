"""The IPTC vocabulary of digital source types, which XMP and C2PA share: a term in, what it says out.

Terms: cv.iptc.org/newscodes/digitalsourcetype; also as a QCode and as schema.org's enumeration writes them.
"""

from __future__ import annotations

import re

from src.inference.provenance.signals import Says, Signal, details

_TERMS: dict[str, Says] = {
    "trainedalgorithmicmedia": "ai_generated",
    "compositewithtrainedalgorithmicmedia": "ai_edited",
    "compositesynthetic": "ai_edited",  # "at least one element is generated"
    "digitalcapture": "camera",
    "computationalcapture": "camera",
    "negativefilm": "camera",
    "positivefilm": "camera",
    "print": "camera",
}
_SEPARATOR = re.compile(r"[/:#]")
_SCHEMA_ORG = "digitalsource"


def meaning(term: object) -> Says:
    """Say what a term means for us; `unknown` for every other term, and for what is no term."""
    if not isinstance(term, str):
        return "unknown"
    name = _SEPARATOR.split(term[:200].strip().rstrip("/"))[-1].lower()
    return _TERMS.get(name.removesuffix(_SCHEMA_ORG), "unknown")


def judge_term(term: str) -> Signal | None:
    """Turn the unsigned term of an XMP packet into a signal; None where it has no bearing.

    A claim of AI is made against the sender's interest, so it is strong; one of a camera costs nothing.
    """
    says = meaning(term)
    if says == "unknown":
        return None
    reasons: dict[Says, str] = {
        "ai_generated": "The XMP metadata declares a picture made by generative AI.",
        "ai_edited": "The XMP metadata declares a picture with parts made by generative AI.",
        "camera": "The XMP metadata declares a picture taken by a camera, which anybody can write.",
    }
    return Signal(
        kind="digital_source_type",
        says=says,
        strength="weak" if says == "camera" else "strong",
        reason=reasons[says],
        detail=details(digital_source_type=term),
    )
