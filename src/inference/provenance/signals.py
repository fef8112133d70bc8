"""The types of this room: what one piece of metadata says, and how much that is worth."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["c2pa", "digital_source_type", "generator_parameters", "camera_exif", "software"]
Says = Literal["ai_generated", "ai_edited", "camera", "unknown"]
Strength = Literal["conclusive", "strong", "weak"]

_MAX_DETAIL = 200
_RANK: dict[Strength, int] = {"weak": 0, "strong": 1, "conclusive": 2}


class Signal(BaseModel):
    """One finding.

    Attributes:
        kind: Where it was found.
        says: What it says the picture is; `unknown` where it only tells something else worth knowing.
        strength: `conclusive`: signed by somebody on the trust list and bound to these very pixels; `strong`:
            nobody writes it by accident, but anybody can; `weak`: easily wrong, forged or outlived by edits.
        reason: One English sentence for people.
        detail: Facts for machines; texts of the file's author, cut short and without control characters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    says: Says
    strength: Strength
    reason: str
    detail: dict[str, str] = {}


class Provenance(BaseModel):
    """All that a file says about its origin; none is the usual case and proves nothing.

    Attributes:
        signals: What was found.
        note: Why there may be more than was found; none when all was read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    signals: tuple[Signal, ...] = ()
    note: str | None = None

    def strength_of(self, says: Says) -> Strength | None:
        """Return the strength of the strongest signal that says this, None where none does."""
        found = [signal.strength for signal in self.signals if signal.says == says]
        return max(found, key=_RANK.__getitem__, default=None)


def tidy(value: object) -> str:
    """Make a text of unknown origin fit for `Signal.detail`: one short printable line; "" for no text."""
    if not isinstance(value, str | int | float):
        return ""
    text = "".join(char if char.isprintable() else " " for char in str(value)[: 4 * _MAX_DETAIL])
    return " ".join(text.split())[:_MAX_DETAIL]


def details(**facts: object) -> dict[str, str]:
    """Tidy facts for `Signal.detail` and leave out the empty ones."""
    return {name: text for name, value in facts.items() if (text := tidy(value))}
