"""Values as people read them: shares, sizes, moments, and file names that cannot mislead."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

from src.ui.strings import shared as text

_NAME_LENGTH = 80
_KEPT_END = 24
_MOST_DIGITS = 2


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share as a percentage; never 0 % or 100 % for one that is neither."""
    if share is None:
        return text.NONE
    step = 10.0 ** -(digits + 2)
    if 0.0 < share < step:
        return f"< {step:.{digits}%}".replace("%", " %")
    if 1.0 - step < share < 1.0:
        return f"> {1.0 - step:.{digits}%}".replace("%", " %")
    return f"{share:.{digits}%}".replace("%", " %")


def apart(share: float, other: float) -> tuple[str, str]:
    """Return two shares as percentages, with a digit more where they would read alike and are not."""
    for digits in range(_MOST_DIGITS):
        shown = percent(share, digits), percent(other, digits)
        if shown[0] != shown[1]:
            return shown
    return percent(share, _MOST_DIGITS), percent(other, _MOST_DIGITS)


def interval(value: float | None, low: float | None, high: float | None, digits: int = 1) -> str:
    """Return a share with its interval, where it has one."""
    if value is None or low is None or high is None:
        return percent(value, digits)
    return f"{percent(value, digits)} ({percent(low, digits)} to {percent(high, digits)})"


def size(count: float) -> str:
    """Return bytes in the unit that fits: 512 B, 1.5 MB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def duration(seconds: float) -> str:
    """Return a time as people say it: 35 s, 4 min, 2 h 5 min, 3 d 4 h."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{rest} s"


def milliseconds(seconds: float | None) -> str:
    """Return a latency in ms; a dash where nothing was measured."""
    return text.NONE if seconds is None else f"{seconds * 1000:,.0f} ms"


def moment(when: datetime) -> str:
    """Return a moment to the minute, in UTC, as the page may be read anywhere."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def file_name(name: str) -> str:
    """Return a stranger's file name fit to be shown.

    Control characters and those that turn the direction of writing around (which make `gpj.exe` of
    `exe.jpg`) are dropped, and a long name is cut in its middle.
    """
    clean = "".join(each for each in name if unicodedata.category(each)[0] != "C").strip() or text.NONE
    if len(clean) <= _NAME_LENGTH:
        return clean
    return f"{clean[: _NAME_LENGTH - _KEPT_END - 1]}…{clean[-_KEPT_END:]}"


def markdown(value: str) -> str:
    """Escape what Markdown or Streamlit's directives would take for more than text."""
    return "".join(f"\\{each}" if each in r"\`*_{}[]()#+!|<>~$:" else each for each in value)


def policy(name: str) -> str:
    """Return a policy's name for people."""
    return text.POLICIES.get(name, name)


def policy_words(name: str, described: str) -> str:
    """Return what a policy does, in plain words; as its card describes it where it is not known here."""
    return text.POLICY_WORDS.get(name, markdown(described))
