"""What Streamlit cannot draw by itself: verdict card, bar and badges, as escaped HTML with one style."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from src.client import Signal
from src.ui import charts
from src.ui.strings import verdict as text
from src.ui.verdict import Tone, Words
from src.ui.wording import apart
from src.utils.model_card import Policy

_STYLE = Path(__file__).with_name("style.css")


def style() -> None:
    """Put the style on the page, once in each run."""
    st.html(_STYLE)


def verdict_card(words: Words, probability: float, policy: Policy) -> None:
    """Draw a verdict: title, bar, what it means and what it does not."""
    st.html(card_html(words, probability, policy))


def card_html(words: Words, probability: float, policy: Policy) -> str:
    """Return the card; every word is escaped."""
    flag = badge(words.flag, "doubt") if words.flag else ""
    known = f'<p class="pd-note">{escape(words.known_error)}</p>' if words.known_error else ""
    return (
        f'<section class="pd-card pd-{words.tone}" data-testid="verdict">'
        f'<div class="pd-head"><h3>{escape(words.title)}</h3>{flag}</div>'
        f"{bar_html(probability, policy)}"
        f"<p>{escape(words.sentence)}</p>"
        f"<dl><dt>{escape(text.MEANS)}</dt><dd>{escape(words.means)}</dd>"
        f"<dt>{escape(text.MEANS_NOT)}</dt><dd>{escape(words.means_not)}</dd></dl>{known}</section>"
    )


def bar_html(probability: float, policy: Policy) -> str:
    """Return the bar: probability as a dot, the policy's threshold as a line, its review band hatched."""
    chance, threshold = apart(probability, policy.threshold)
    label = text.BAR_LABEL.format(chance=chance, threshold=threshold)
    low, high = policy.review_low, policy.review_high
    line = text.BAR_THRESHOLD.format(threshold=threshold)
    return (
        f'<div class="pd-bar" role="img" aria-label="{escape(label)}">'
        f'<span class="pd-band" style="left:{low:.2%};width:{high - low:.2%}"></span>'
        f'<span class="pd-line" style="left:{policy.threshold:.2%}"></span>'
        f'<span class="pd-dot" style="left:{probability:.2%}"></span>'
        f"{_tag(chance, probability, 'above')}{_tag(line, policy.threshold, 'below')}</div>"
    )


def plot(drawing: charts.Drawing, alt: str) -> None:
    """Draw a plot whose words can be read on the page's ground."""
    dark = st.context.theme.type == "dark"
    st.altair_chart(charts.readable(drawing, dark=dark), alt=alt)


def badge(words: str, tone: Tone | str) -> str:
    """Return a small coloured label."""
    return f'<span class="pd-badge pd-{escape(tone)}">{escape(words)}</span>'


def signals(found: tuple[Signal, ...], basis: str) -> None:
    """Draw what a file says of itself, each finding with its strength and reason."""
    st.markdown(f"**{text.BASIS_TITLE}**")
    st.markdown(text.BASIS.get(basis, basis) if found else text.NO_SIGNALS)
    st.html("".join(map(signal_html, found)) or "<span></span>")


def signal_html(signal: Signal) -> str:
    """Return one finding; what the file brought is escaped."""
    name = text.SIGNALS.get(signal.kind, signal.kind)
    says = text.SAYS.get(signal.says or "unknown", signal.says or "")
    strength = text.STRENGTHS.get(signal.strength, signal.strength)
    return (
        f'<div class="pd-signal"><div><strong>{escape(name)}</strong><span>{escape(says)}</span>'
        f"{badge(strength, signal.strength)}</div><p>{escape(signal.reason)}</p>"
        f'<p class="pd-note">{escape(text.STRENGTH_HELP.get(signal.strength, ""))}</p></div>'
    )


def _tag(words: str, place: float, where: str) -> str:
    # Near an end the words stand beside their mark, or they would leave the card.
    side = " pd-start" if place < 0.2 else " pd-end" if place > 0.8 else ""
    return f'<span class="pd-tag pd-{where}{side}" style="left:{place:.2%}">{escape(words)}</span>'
