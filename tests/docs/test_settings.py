"""Every setting of the service is in the guide, with its default."""

from __future__ import annotations

import re

import pytest

from src.utils.settings import Settings
from tests.docs.markdown import text_of

ROW = re.compile(r"^\| `DETECTOR_([A-Z_]+)` \| ([^|]+) \| ([^|]+) \|$", flags=re.MULTILINE)


def table() -> dict[str, tuple[str, str]]:
    """Default and meaning by setting, of the guide's last tables."""
    _, _, section = text_of("docs/DEPLOYMENT.md").partition("\n## All settings\n")
    rows = ROW.findall(section.partition("\n## ")[0])
    assert len({name for name, _, _ in rows}) == len(rows)
    return {name.lower(): (default, meaning) for name, default, meaning in rows}


def shown(field: str) -> str:
    """A default as people write it into a variable."""
    info = Settings.model_fields[field]
    if info.default_factory is not None or field == "intra_op_threads":
        return "by cores"
    if info.default in (None, "", ()):
        return "none"
    if isinstance(info.default, bool):
        return f"`{str(info.default).lower()}`"
    return f"`{info.default:g}`" if isinstance(info.default, float) else f"`{info.default}`"


def test_the_guide_has_every_setting_and_no_other() -> None:
    assert set(table()) == set(Settings.model_fields)


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_the_default_is_what_the_guide_says(field: str) -> None:
    default, meaning = table()[field]
    assert default == shown(field)
    # Settings that do not show themselves when they are printed hold passwords.
    hidden = not Settings.model_fields[field].repr
    assert ("**secret**" in meaning) == (hidden and field != "registry_uri")
