"""A validated C2PA manifest store in, one signal out: what it claims, and what the claim is worth.

Integrity and trust are told apart: an intact manifest was made for these very pixels by the holder of
some key, a trusted one by somebody whom an authority on the trust list vouches for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from src.inference.provenance import source_type, tools
from src.inference.provenance.signals import Says, Signal, Strength, details

Standing = Literal["trusted", "intact", "broken"]

_MAX_ITEMS = 200
# Failures that concern who signed, not what was signed. A revoked certificate is not among them.
_WHO = frozenset({"signingCredential.untrusted", "signingCredential.expired", "signingCredential.invalid"})
_ORDER: tuple[Says, ...] = ("ai_generated", "ai_edited", "camera", "unknown")
_PLACED: dict[Says, Says] = {
    "ai_generated": "ai_edited",
    "ai_edited": "ai_edited",
    "camera": "unknown",
    "unknown": "unknown",
}


@dataclass(frozen=True, slots=True)
class _Claim:
    """One claim: `explicit` if by a source type, not a program's name; `own` if by the active manifest."""

    says: Says
    explicit: bool
    own: bool
    words: str


def judge_store(store: Mapping[str, Any]) -> Signal:
    """Weigh a manifest store.

    Args:
        store: The library's JSON; its values are of any origin, its validation results are the library's own.
    """
    manifests = _dict(store.get("manifests"))
    label = store.get("active_manifest")
    active = _dict(manifests.get(label)) if isinstance(label, str) else {}
    standing, failures = _standing(store)
    claims = list(_claims(label, manifests)) or [_Claim("unknown", explicit=False, own=True, words="")]
    # Of equal claims the own and explicit ones count most.
    claim = min(claims, key=lambda item: (_ORDER.index(item.says), not item.own, not item.explicit))
    says, strength = _weigh(claim, standing)
    signature = _dict(active.get("signature_info"))
    return Signal(
        kind="c2pa",
        says=says,
        strength=strength,
        reason=f"{_CLAIMED[claim.says]} {_STANDS[standing]}",
        detail=details(
            validation=standing,
            failures=", ".join(failures),
            issuer=signature.get("issuer"),
            common_name=signature.get("common_name"),
            signed_at=signature.get("time"),
            generator=_generator(active),
            claim=claim.words,
            from_ingredient="" if claim.own else "yes",
        ),
    )


_CLAIMED: dict[Says, str] = {
    "ai_generated": "The C2PA manifest claims a picture made by generative AI.",
    "ai_edited": "The C2PA manifest claims a picture with parts made by generative AI.",
    "camera": "The C2PA manifest claims a picture taken by a camera.",
    "unknown": "The C2PA manifest claims neither AI nor a camera.",
}
_STANDS: dict[Standing, str] = {
    "trusted": "Its signer is on the trust list and it fits these pixels.",
    "intact": "It fits these pixels, but its signer is not proved.",
    "broken": "It does not hold: the file was changed, the manifest is another file's, or it is ill-formed.",
}


def _standing(store: Mapping[str, Any]) -> tuple[Standing, list[str]]:
    results = _dict(store.get("validation_results"))
    failures = _codes(_dict(results.get("activeManifest")).get("failure"))
    signed = "claimSignature.validated" in _codes(_dict(results.get("activeManifest")).get("success"))
    if not signed or set(failures) - _WHO:
        return "broken", failures
    if store.get("validation_state") == "Trusted" and not failures:
        return "trusted", failures
    return "intact", failures


def _weigh(claim: _Claim, standing: Standing) -> tuple[Says, Strength]:
    if claim.says == "unknown":
        return "unknown", "weak"
    if claim.says == "camera":
        # Nothing proves a camera: a screen or a print can be photographed by one that signs.
        return ("unknown" if standing == "broken" else "camera"), (
            "strong" if standing == "trusted" else "weak"
        )
    if standing == "broken":
        return claim.says, "weak"
    conclusive = standing == "trusted" and claim.explicit and claim.own
    return claim.says, "conclusive" if conclusive else "strong"


def _claims(label: object, manifests: Mapping[str, Any]) -> Iterator[_Claim]:
    """Walk the active manifest and, each once, those of the pictures that this one was made from.

    A chain of parents is one picture's past: what made the parent made this. A generated picture that was
    placed in another one makes that one edited; a photo placed in it makes no camera's picture of it.
    """
    waiting: list[tuple[object, bool, bool]] = [(label, True, False)]
    seen: set[object] = set()
    while waiting and len(seen) < _MAX_ITEMS:
        name, own, placed = waiting.pop()
        if not isinstance(name, str) or name in seen:
            continue
        seen.add(name)
        manifest = _dict(manifests.get(name))
        for says, explicit, words in _own_claims(manifest):
            yield _Claim(_PLACED[says] if placed else says, explicit, own, words)
        for ingredient in _list(manifest.get("ingredients")):
            relation = ingredient.get("relationship")
            if relation in ("parentOf", "componentOf"):
                waiting.append(
                    (ingredient.get("active_manifest"), False, placed or relation == "componentOf")
                )


def _own_claims(manifest: Mapping[str, Any]) -> Iterator[tuple[Says, bool, str]]:
    """What one manifest says: by source types, or for want of any that matters, by its programs' names."""
    explicit = [
        (says, True, term) for term in _terms(manifest) if (says := source_type.meaning(term)) != "unknown"
    ]
    yield from explicit
    if not explicit:
        yield from ((tools.meaning_of_name(name), False, name) for name in _programs(manifest))


def _terms(manifest: Mapping[str, Any]) -> Iterator[str]:
    for action in _actions(manifest):
        term = action.get("digitalSourceType")
        if isinstance(term, str):
            yield term
    for assertion in _list(manifest.get("assertions")):
        for key, value in _dict(assertion.get("data")).items():
            if key.endswith("DigitalSourceType") and isinstance(value, str):
                yield value


def _programs(manifest: Mapping[str, Any]) -> Iterator[str]:
    for action in _actions(manifest):
        agent = action.get("softwareAgent")
        yield from (text for text in (agent, _dict(agent).get("name")) if isinstance(text, str))
    if generator := _generator(manifest):
        yield generator


def _generator(manifest: Mapping[str, Any]) -> str:
    infos = _list(manifest.get("claim_generator_info"))
    name = infos[0].get("name") if infos else manifest.get("claim_generator")
    return name if isinstance(name, str) else ""


def _actions(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for assertion in _list(manifest.get("assertions")):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            yield from _list(_dict(assertion.get("data")).get("actions"))


def _codes(entries: object) -> list[str]:
    return sorted({str(entry.get("code", "")) for entry in _list(entries)})


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list; what is none is passed over."""
    return [item for item in value[:_MAX_ITEMS] if isinstance(item, dict)] if isinstance(value, list) else []
