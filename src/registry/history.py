"""Who was champion, and who comes back at a rollback: a list of changes that a tag of the model keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from src.utils.errors import RegistryError

HISTORY_TAG = "champions"
_KEPT = 100
"""Changes that are kept; MLflow cuts a tag at 5,000 characters on some databases."""


class Change(BaseModel):
    """One change of the champion.

    Attributes:
        action: `found`: somebody set the alias by other means, which was noticed at the next change.
        version: The champion from then on.
        at: When, in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["promote", "rollback", "found"]
    version: int
    at: datetime


_CHANGES = TypeAdapter(list[Change])


def parse_history(text: str | None) -> list[Change]:
    """Read the tag; nothing is an empty history.

    Raises:
        RegistryError: The tag was changed by other means and cannot be read.
    """
    if not text:
        return []
    try:
        return _CHANGES.validate_json(text)
    except ValidationError as error:
        raise RegistryError(f"the tag {HISTORY_TAG!r} of the registered model cannot be read") from error


def render_history(changes: Sequence[Change]) -> str:
    """The tag's text, of the latest changes."""
    return _CHANGES.dump_json(list(changes[-_KEPT:])).decode()


def standing(changes: Sequence[Change]) -> list[int]:
    """The champions that a rollback can return to, the present one last; a promotion adds one."""
    stack: list[int] = []
    for change in changes:
        if change.action == "rollback":
            while stack and stack[-1] != change.version:
                stack.pop()
        if not stack or stack[-1] != change.version:
            stack.append(change.version)
    return stack


def settled(changes: Sequence[Change], champion: int | None, now: datetime) -> list[Change]:
    """The history with the present champion at its end, whoever set the alias."""
    stack = standing(changes)
    if champion is None or (stack and stack[-1] == champion):
        return list(changes)
    return [*changes, Change(action="found", version=champion, at=now)]
