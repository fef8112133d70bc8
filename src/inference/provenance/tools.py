"""Names of programs: which are image generators, which edit by AI, in the words that files use for them."""

from __future__ import annotations

import re

from src.inference.provenance.signals import Says, Signal, details

# Names must not match makers of cameras, phones or ordinary editors; each stands as its files write it.
_GENERATORS = re.compile(
    r"made with google ai|created by google generative ai|google gemini|\bgemini [\d.]+ ?(?:flash|pro)"
    r"|\bimagen[ -]?\d|\bdall[·.\- ]?e\b|\bgpt[ -]image|\bchatgpt\b|\bopenai\b|image creator from designer"
    r"|bing image creator|\bstable[ -]?diffusion|\bsdxl\b|stability ai|\bcomfyui\b|\binvokeai\b|\bfooocus\b"
    r"|\bswarmui\b|\bdraw things\b|\bnovelai\b|\bmidjourney\b|adobe firefly|\bideogram\b|leonardo[. ]ai\b"
    r"|black forest labs|\bflux[. ]?[12]\b|amazon nova canvas|amazon titan image|\bbria ai\b|\brecraft\b"
    r"|\bqwen[- ]image|\bseedream\b|\bjimeng\b|\bdoubao\b|\bhunyuan ?image|\bgrok imagine\b|\bkrea\b",
    re.IGNORECASE,
)
_AI_EDITORS = re.compile(
    r"edited with google ai|generative (?:fill|expand)|magic (?:eraser|editor)|\bphotoroom\b|galaxy ai",
    re.IGNORECASE,
)


def meaning_of_name(name: object) -> Says:
    """Say whether a program's name is that of an image generator or of an editor that generates parts."""
    if not isinstance(name, str):
        return "unknown"
    if _AI_EDITORS.search(name[:500]):
        return "ai_edited"
    return "ai_generated" if _GENERATORS.search(name[:500]) else "unknown"


def judge_software(name: str, field: str) -> Signal:
    """Turn a program's name into a signal.

    Args:
        name: As the file has it.
        field: Where it stands.
    """
    says = meaning_of_name(name)
    reasons: dict[Says, str] = {
        "ai_generated": "The file names an image generator as its maker.",
        "ai_edited": "The file names a tool that generates parts of pictures.",
        "unknown": "The file was written by a program; this says nothing of how the picture was made.",
    }
    return Signal(
        kind="software",
        says=says,
        strength="weak" if says == "unknown" else "strong",
        reason=reasons[says],
        detail=details(software=name, field=field),
    )
