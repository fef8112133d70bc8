"""Generator names → families of related generators: the unit of balance, slices and hold-out."""

from __future__ import annotations

from src.data.manifest import CAMERA

_PREFIXES: tuple[tuple[str, str], ...] = (
    ("gpt_image", "openai"),
    ("dalle", "openai"),
    ("gemini", "google"),
    ("google_gemini", "google"),
    ("imagen", "google"),
    ("sd", "stable_diffusion"),
    ("lcm", "stable_diffusion"),
    ("stable_cascade", "stable_diffusion"),
    ("flux", "flux"),
    ("krea", "flux"),
    ("leonardo", "leonardo"),
    ("midjourney", "midjourney"),
    ("ideogram", "ideogram"),
    ("nova", "nova"),
    ("zai", "zai"),
    ("z_image", "zai"),
    ("feedback", "feedback"),  # labelled by reviewers: which generator it was, nobody knows
)


def family_of(generator: str) -> str:
    """The family of a generator of the manifest: `camera` for photos, `other` outside all families."""
    if generator == CAMERA:
        return CAMERA
    return next((family for prefix, family in _PREFIXES if generator.startswith(prefix)), "other")
