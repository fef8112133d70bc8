"""The evidence sheet as PDF, for a case file; the library for it is loaded when the first one is drawn."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fpdf import FPDF

from src.client import Prediction
from src.ui.strings import inspect as text
from src.ui.strings import verdict as verdict_text
from src.ui.verdict import words_of
from src.ui.wording import moment, percent, policy, size

_INK, _GREY = (22, 32, 46), (71, 84, 103)
_TONES = {"fake": (180, 35, 24), "real": (6, 118, 71), "doubt": (181, 71, 8)}
_PICTURE_MM = 84
_PLAIN = {"\u201c": '"', "\u201d": '"', "\u2019": "'", "\u2013": "-", "\u2026": "..."}


def as_pdf(
    facts: dict[str, Any], found: Prediction, *, picture: bytes | None, overlay: bytes | None, when: datetime
) -> bytes:
    """Return the sheet as PDF: one page, or two where a file says much of itself.

    Args:
        facts: As `sheet` gathered them.
        found: The verdict.
        picture: JPEG of the photo, if it can be shown.
        overlay: PNG of the photo under its heatmap, if there is one.
        when: The moment of the verdict.
    """
    pdf = _Page(format="A4")
    pdf.set_creation_date(when)
    pdf.set_title(text.SHEET_TITLE)
    pdf.set_margin(18)
    pdf.add_page()
    words = words_of(found)
    pdf.line_of(text.SHEET_TITLE, 10, colour=_GREY)
    pdf.line_of(words.title, 20, bold=True, colour=_TONES[words.tone])
    pdf.line_of(" - ".join(filter(None, (percent(found.probability, 1), words.flag))), 13, bold=True)
    pdf.gap()
    for line in (words.sentence, words.means, words.means_not):
        pdf.line_of(line, 10)
    pdf.gap()
    pdf.pictures(picture, overlay)
    for key, value in _facts(facts, found, when):
        pdf.pair(text.FACT_NAMES[key], value)
    pdf.gap()
    pdf.line_of(verdict_text.BASIS_TITLE, 11, bold=True)
    signals = found.provenance.signals
    pdf.line_of(verdict_text.BASIS[found.provenance.basis] if signals else verdict_text.NO_SIGNALS, 10)
    for signal in signals:
        kind = verdict_text.SIGNALS.get(signal.kind, signal.kind)
        says = verdict_text.SAYS.get(signal.says or "unknown", signal.says or "")
        pdf.line_of(f"- {kind}: {says} ({signal.strength}). {signal.reason}", 10)
    return bytes(pdf.output())


def _facts(facts: dict[str, Any], found: Prediction, when: datetime) -> list[tuple[str, str]]:
    photo = facts["photo"]
    rows = [
        ("name", photo["name"]),
        ("size", None if photo["bytes"] is None else size(photo["bytes"])),
        ("sha256", photo["sha256"]),
        ("id", found.id),
        ("model_version", found.model_version),
        ("policy", policy(found.policy)),
        ("created_at", moment(when)),
    ]
    return [(name, value) for name, value in rows if value]


class _Page(FPDF):
    """A page with the caveat at its foot; its fonts know Latin letters alone, others become `?`."""

    def footer(self) -> None:
        self.set_y(-15)
        self._write(f"{text.SHEET_CAVEAT}  ({text.PAGE_NUMBER.format(page=self.page_no())})", 8, colour=_GREY)

    def line_of(
        self, words: str, points: int, *, bold: bool = False, colour: tuple[int, int, int] = _INK
    ) -> None:
        """Write a paragraph of this size in points."""
        self._write(words, points, bold=bold, colour=colour)

    def pair(self, name: str, value: str) -> None:
        """Write a fact with its name before it."""
        self.set_font("helvetica", "B", 9)
        self.set_text_color(*_GREY)
        self.cell(32, 5, _latin(name))
        self.set_font("helvetica", "", 9)
        self.set_text_color(*_INK)
        self.multi_cell(0, 5, _latin(value), new_x="LMARGIN", new_y="NEXT")

    def pictures(self, photo: bytes | None, overlay: bytes | None) -> None:
        """Put the photo and its heatmap side by side, where there are any."""
        shown = [
            (each, name) for each, name in ((photo, text.SHEET_PHOTO), (overlay, text.SHEET_HEATMAP)) if each
        ]
        if not shown:
            return
        top = self.get_y()
        for column, (picture, name) in enumerate(shown):
            left = self.l_margin + column * (_PICTURE_MM + 6)
            self.set_xy(left, top)
            self.set_font("helvetica", "", 8)
            self.set_text_color(*_GREY)
            self.cell(_PICTURE_MM, 5, _latin(name))
            self.image(
                picture, left, top + 5, _PICTURE_MM, _PICTURE_MM, keep_aspect_ratio=True, alt_text=name
            )
        self.set_xy(self.l_margin, top + _PICTURE_MM + 9)

    def gap(self) -> None:
        """Leave a line free."""
        self.ln(4)

    def _write(
        self, words: str, points: int, *, bold: bool = False, colour: tuple[int, int, int] = _INK
    ) -> None:
        self.set_font("helvetica", "B" if bold else "", points)
        self.set_text_color(*colour)
        self.multi_cell(0, points * 0.5, _latin(words), new_x="LMARGIN", new_y="NEXT")


def _latin(words: str) -> str:
    for mark, plain in _PLAIN.items():
        words = words.replace(mark, plain)
    return words.encode("latin-1", "replace").decode("latin-1")
