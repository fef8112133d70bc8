"""Texts that image generators leave in their files: prompts, samplers, graphs; recognised by their form.

The prompts themselves are not kept: they are the sender's words, and the verdict does not need them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from src.inference.provenance.signals import Signal, details

_WEB_UI = re.compile(r"\bSteps: \d+, (?:Sampler|Schedule type|CFG scale|Seed)\b", re.IGNORECASE)
_WEB_UI_FIELD = re.compile(r"\b(Steps|Sampler|CFG scale|Seed|Size|Model|Version): ([^,\n]{1,80})")
_MIDJOURNEY = re.compile(r"\bJob ID: ?[0-9a-f]{8}-[0-9a-f-]{27}|\s--(?:v|niji|ar|stylize) [\d.:]+")
_PLAIN_KEYS = {
    "invokeai_metadata": "InvokeAI",
    "invokeai_graph": "InvokeAI",
    "sd-metadata": "InvokeAI",
    "dream": "InvokeAI",
    "fooocus_scheme": "Fooocus",
    "use_stable_diffusion_model": "Easy Diffusion",
    "generation_data": "TensorArt",
}
_LABELS = {"1": ("strong", "is"), "2": ("weak", "may be"), "3": ("weak", "is suspected to be")}
_SAMPLES = ("sampler", "texttoimage", "text2image", "dalle", "gptimage", "fluxpro", "geminiimage", "ideogram")
_MAX_NODES = 5_000


def judge_texts(texts: Iterable[tuple[str, str]]) -> list[Signal]:
    """Find generators' parameters among a file's texts.

    Args:
        texts: Keyword and text; the keywords of PNG texts, or the names of EXIF and XMP fields.

    Returns:
        At most one signal for each tool.
    """
    signals: dict[str, Signal] = {}
    for keyword, text in texts:
        signal = _judge_text(keyword.lower(), text)
        if signal is not None:
            key = signal.detail["tool"]
            known = signals.get(key)
            # Of ComfyUI's two graphs the one that was run knows more than the one that was drawn.
            if known is None or (known.says == "unknown" and signal.says != "unknown"):
                signals[key] = signal
    return list(signals.values())


def _judge_text(keyword: str, text: str) -> Signal | None:
    if keyword in _PLAIN_KEYS:
        return _made_by(_PLAIN_KEYS[keyword], keyword)
    if _WEB_UI.search(text):
        fields = {
            name.lower().replace(" ", "_"): value for name, value in _WEB_UI_FIELD.findall(text[-5000:])
        }
        fields.pop("version", None)
        return _made_by("Stable Diffusion web UI", keyword, **fields)
    if keyword == "description" and _MIDJOURNEY.search(text[:20_000]):
        return _made_by("Midjourney", keyword)
    # ComfyUI hides its graphs in EXIF fields of WebP files, with their name in front.
    for name in ("prompt:", "workflow:"):
        text = text.removeprefix(name)
    return _judge_json(keyword, _load(text))


def _load(text: str) -> Mapping[str, Any]:
    text = text.strip("\0 \r\n\t")
    if not text.startswith("{"):
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # damaged, or nested beyond any honest depth
        return {}
    return value if isinstance(value, dict) else {}


def _judge_json(keyword: str, value: Mapping[str, Any]) -> Signal | None:
    if not value:
        return None
    if keyword == "aigc" or "AIGC" in value:
        inner = value.get("AIGC", value)
        inner = _load(inner) if isinstance(inner, str) else inner
        return _judge_label(inner if isinstance(inner, dict) else {}, keyword)
    if "sui_image_params" in value:
        return _made_by("SwarmUI", keyword)
    if "uc" in value and ("sampler" in value or "steps" in value):
        return _made_by("Draw Things" if "c" in value else "NovelAI", keyword, sampler=value.get("sampler"))
    if (
        "base_model" in value
        and "sampler" in value
        and ("performance" in value or "metadata_scheme" in value)
    ):
        return _made_by("Fooocus", keyword, model=value.get("base_model"), sampler=value.get("sampler"))
    kinds = _node_kinds(value)
    return _judge_graph(kinds, keyword) if kinds else None


def _node_kinds(value: Mapping[str, Any]) -> list[str]:
    """Names of the nodes of a ComfyUI graph, as it was run (`class_type`) or as it was drawn (`type`)."""
    drawn = value.get("nodes")
    nodes, name = (
        (drawn, "type") if isinstance(drawn, list) and "links" in value else (value.values(), "class_type")
    )
    found = [node.get(name) for node in list(nodes)[:_MAX_NODES] if isinstance(node, dict)]
    return [kind for kind in found if isinstance(kind, str)]


def _judge_graph(kinds: list[str], keyword: str) -> Signal:
    flat = [kind.lower().replace("_", "").replace(" ", "") for kind in kinds]
    sampler = next(
        (kind for kind, low in zip(kinds, flat, strict=True) if any(s in low for s in _SAMPLES)), ""
    )
    detail = details(tool="ComfyUI", field=keyword, nodes=len(kinds), sampler=sampler)
    if not sampler:
        return Signal(
            kind="generator_parameters",
            says="unknown",
            strength="weak",
            reason="The file holds a ComfyUI graph without a sampler: it may have processed a photo only.",
            detail=detail,
        )
    from_photo = any("loadimage" in kind for kind in flat)
    return Signal(
        kind="generator_parameters",
        says="ai_edited" if from_photo else "ai_generated",
        strength="strong",
        reason="The file holds the ComfyUI graph that made it"
        + (" out of a loaded picture." if from_photo else "."),
        detail=detail,
    )


def _judge_label(label: Mapping[str, Any], keyword: str) -> Signal | None:
    """Read the implicit label that China's GB 45438-2025 (appendix E) prescribes."""
    known = _LABELS.get(str(label.get("Label", ""))[:8])
    if known is None:
        return None
    strength, verb = known
    return Signal(
        kind="generator_parameters",
        says="ai_generated",
        strength="strong" if strength == "strong" else "weak",
        reason=f"The file's AIGC label (GB 45438-2025) says that it {verb} AI-generated.",
        detail=details(tool="AIGC label", field=keyword, producer=label.get("ContentProducer")),
    )


def _made_by(tool: str, keyword: str, **facts: object) -> Signal:
    return Signal(
        kind="generator_parameters",
        says="ai_generated",
        strength="strong",
        reason=f"The file holds the generation parameters of {tool}.",
        detail=details(tool=tool, field=keyword, **facts),
    )
