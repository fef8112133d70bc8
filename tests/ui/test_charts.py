"""Plots whose words can be read: on the light ground of the page, and on a dark one."""

from __future__ import annotations

import pytest

from src.ui import charts
from tests.ui.fakes import report


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2 between two colours."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("ground", "dark"), [("#ffffff", False), ("#f3f5f8", False), ("#0e1117", True)])
def test_words_of_a_plot_have_the_contrast_of_text(ground: str, dark: bool) -> None:
    curve = report().curve("unseen", "clean")
    assert curve is not None
    drawn = charts.readable(charts.threshold_chart(curve, 0.5, {"balanced": 0.5}), dark=dark).to_dict()
    inks = [drawn["config"]["axis"]["labelColor"], drawn["config"]["axis"]["titleColor"]]
    inks.append(drawn["config"]["legend"]["labelColor"])
    assert all(contrast(ink, ground) >= 4.5 for ink in inks)


def test_the_ratio_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
