"""The plots of the pages about model and monitoring, each made of a plain table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from src.ui.strings import model as text
from src.ui.strings import monitoring as monitoring_text
from src.ui.strings import shared
from src.ui.wording import policy as policy_name
from src.utils.model_report import Curve, Estimate

FALSE_COLOUR, FOUND_COLOUR, INK = "#b42318", "#1f4f8f", "#16202e"
_WORDS, _WORDS_ON_DARK = "#475467", "#d0d5dd"
_REAL_COLOUR = "#067647"
_HEIGHT = 280
Drawing = alt.Chart | alt.LayerChart | alt.FacetChart


def readable(drawing: Drawing, *, dark: bool = False) -> Drawing:
    """Give the words of a plot a contrast of 4.5:1 or more, which the theme's grey has not."""
    ink = _WORDS_ON_DARK if dark else _WORDS
    drawn: Drawing = drawing.configure_axis(labelColor=ink, titleColor=ink).configure_legend(labelColor=ink)
    return drawn


def threshold_chart(curve: Curve, threshold: float, policies: Mapping[str, float]) -> Drawing:
    """Draw what each threshold costs and brings, with intervals; the chosen one is marked."""
    table = pd.DataFrame(
        [
            {"threshold": row.threshold, "figure": name} | _told(estimate)
            for row in curve.rows
            for name, estimate in ((text.FALSE_ALARMS, row.false_positives), (text.FOUND, row.recall))
        ]
    )
    colour = alt.Color(
        "figure:N",
        scale=alt.Scale(domain=[text.FALSE_ALARMS, text.FOUND], range=[FALSE_COLOUR, FOUND_COLOUR]),
        legend=alt.Legend(title=None, orient="top", labelLimit=0, symbolOpacity=1),
    )
    x = alt.X("threshold:Q", title=text.CURVE_X, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    base = alt.Chart(table)
    band = base.mark_area(opacity=0.18).encode(x=x, y=_share("low:Q"), y2="high:Q", color=colour)
    line = base.mark_line(strokeWidth=2).encode(x=x, y=_share("value:Q"), color=colour)
    marks = pd.DataFrame([{"threshold": at, "policy": policy_name(name)} for name, at in policies.items()])
    rules = alt.Chart(marks).mark_rule(strokeDash=[3, 4], color="#667085").encode(x=x, tooltip="policy:N")
    chosen = (
        alt.Chart(pd.DataFrame([{"threshold": threshold}])).mark_rule(color=INK, strokeWidth=2).encode(x=x)
    )
    return alt.layer(band, line, rules, chosen).properties(height=_HEIGHT)


def roc_chart(curve: Curve, threshold: float) -> Drawing:
    """Draw found against falsely accused, with the chosen threshold as a point."""
    rows = [
        {"false": row.false_positives.value, "found": row.recall.value, "threshold": row.threshold}
        for row in curve.rows
    ]
    table = pd.DataFrame(rows)
    place = int((table["threshold"] - threshold).abs().argmin())
    nearest = table.iloc[place : place + 1]
    x = alt.X("false:Q", title=text.FALSE_ALARMS, axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("found:Q", title=text.FOUND, axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    line = alt.Chart(table).mark_line(color=FOUND_COLOUR).encode(x=x, y=y, order="threshold:Q")
    point = alt.Chart(nearest).mark_point(color=INK, size=90, filled=True).encode(x=x, y=y)
    return alt.layer(line, point).properties(height=_HEIGHT)


def reliability_chart(curve: Curve) -> Drawing:
    """Draw the share of fakes at each probability; on the diagonal, probabilities are true."""
    table = pd.DataFrame(
        [each.model_dump() | {"photos": each.real + each.fake} for each in curve.reliability]
    )
    x = alt.X(
        "probability:Q", title=text.RELIABILITY_X, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")
    )
    y = alt.Y("share:Q", title=text.RELIABILITY_Y, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    points = alt.Chart(table).mark_line(point=True, color=FOUND_COLOUR).encode(x=x, y=y, tooltip="photos:Q")
    ends = pd.DataFrame([{"probability": 0.0, "share": 0.0}, {"probability": 1.0, "share": 1.0}])
    diagonal = alt.Chart(ends).mark_line(color="#667085", strokeDash=[3, 4]).encode(x=x, y=y)
    return alt.layer(diagonal, points).properties(height=_HEIGHT)


def histogram_chart(curve: Curve) -> Drawing:
    """Draw how many real and AI-generated pictures land at each probability."""
    names = shared.LABELS
    table = pd.DataFrame(
        [
            {"probability": each.probability, "label": names[label], "photos": count}
            for each in curve.reliability
            for label, count in (("real", each.real), ("ai_generated", each.fake))
        ]
    )
    drawing: Drawing = (
        alt.Chart(table)
        .mark_bar(size=14)
        .encode(
            x=alt.X("probability:Q", title=text.RELIABILITY_X, axis=alt.Axis(format="%")),
            y=alt.Y("photos:Q", title=text.HISTOGRAM_Y),
            color=_label_colour(),
        )
        .properties(height=_HEIGHT)
    )
    return drawing


def verdict_chart(verdicts: Mapping[tuple[str, str], float]) -> Drawing:
    """Draw verdicts by policy, stacked by label."""
    table = pd.DataFrame(
        [
            {"label": shared.LABELS.get(label, label), "policy": policy_name(name), "verdicts": count}
            for (label, name), count in verdicts.items()
        ]
    )
    drawing: Drawing = (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("verdicts:Q", title=None, axis=alt.Axis(format="d", tickMinStep=1)),
            y=alt.Y("policy:N", title=None),
            color=_label_colour(),
            tooltip=["policy:N", "label:N", "verdicts:Q"],
        )
        .properties(height=180)
    )
    return drawing


def traffic_chart(seen: Sequence[tuple[float, float]]) -> Drawing:
    """Draw requests per second.

    Args:
        seen: Seconds since the page was opened (0 or more), requests per second.
    """
    table = pd.DataFrame(seen, columns=["seconds", "rate"])
    drawing: Drawing = (
        alt.Chart(table)
        .mark_area(color=FOUND_COLOUR, opacity=0.35, line={"color": FOUND_COLOUR})
        .encode(
            x=alt.X("seconds:Q", title=monitoring_text.SECONDS, axis=alt.Axis(format="d")),
            y=alt.Y("rate:Q", title=None, scale=alt.Scale(domainMin=0), axis=alt.Axis(format=".1f")),
        )
        .properties(height=180)
    )
    return drawing


def _label_colour() -> alt.Color:
    names = shared.LABELS
    return alt.Color(
        "label:N",
        scale=alt.Scale(domain=[names["real"], names["ai_generated"]], range=[_REAL_COLOUR, FALSE_COLOUR]),
        legend=alt.Legend(title=None, orient="top"),
    )


def _told(estimate: Estimate) -> dict[str, float | None]:
    value = estimate.value
    low = value if estimate.low is None else estimate.low
    return {"value": value, "low": low, "high": value if estimate.high is None else estimate.high}


def _share(field: str) -> alt.Y:
    return alt.Y(field, title=text.CURVE_Y, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
