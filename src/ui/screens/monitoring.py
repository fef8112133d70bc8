"""How the service does: state, traffic, verdicts, refusals, drift, and links to where operators look."""

from __future__ import annotations

import time
from collections import deque
from itertools import pairwise

import streamlit as st

from src.client import ApiError, Drift, Health
from src.ui import charts, look, states
from src.ui.figures import Figures, read_figures
from src.ui.gateway import Gateway, connect, probe, settings
from src.ui.strings import monitoring as text
from src.ui.strings import shared
from src.ui.wording import duration, markdown, milliseconds, percent

_SEEN = "monitoring_seen"
_EVERY_S = 5.0
_MOST_SEEN = 240
_TILE_PX = 162
_ALARMING = {"warning", "critical"}


def page() -> None:
    """Draw the page."""
    st.title(text.MONITORING_TITLE)
    st.markdown(text.MONITORING_LEAD)
    live = st.toggle(text.REFRESH, value=True, key="monitoring_live")
    st.fragment(_live, run_every=_EVERY_S if live else None)()
    _links()


def _live() -> None:
    gateway = connect()
    try:
        health = probe().health()
    except ApiError as error:
        states.show(error, "monitoring")
        return
    drift, drift_error = _drift(gateway)
    figures, metrics_error = _figures(gateway)
    _alerts(health, figures, drift)
    _tiles(health, figures)
    if figures is not None:
        _traffic(figures)
    elif metrics_error is not None:
        _closed(metrics_error)
    _drift_part(drift, drift_error)


def _figures(gateway: Gateway) -> tuple[Figures | None, ApiError | None]:
    try:
        return read_figures(gateway.metrics()), None
    except ApiError as error:
        return None, error
    except ValueError:
        return None, ApiError("unexpected_reply", 200, text.METRICS_UNREAD)


def _drift(gateway: Gateway) -> tuple[Drift | None, ApiError | None]:
    try:
        return gateway.drift(), None
    except ApiError as error:
        return None, error


def _alerts(health: Health, figures: Figures | None, drift: Drift | None) -> None:
    found = [] if health.ok else [text.ALERTS["not_ready"]]
    if figures is not None and figures.store_up is False:
        found.append(text.ALERTS["store_away"])
    if figures is not None and figures.lost > 0:
        found.append(text.ALERTS["lost"].format(count=f"{figures.lost:.0f}"))
    said = {} if drift is None else drift.model_extra or {}
    if said.get("severity") in _ALARMING:
        finding = str(said.get("finding"))
        found.append(text.ALERTS["drift"].format(finding=text.FINDING.get(finding, finding)))
    for words in found:
        st.error(words, icon=":material/warning:")
    if not found:
        st.success(text.ALL_WELL, icon=":material/check_circle:")


def _tiles(health: Health, figures: Figures | None) -> None:
    tiles = {
        "state": text.STATE_WORDS.get(health.status, health.status),
        "model": health.model_version or shared.NONE,
        "uptime": duration(health.uptime_s),
    }
    if figures is not None:
        judged = figures.judged
        tiles |= {
            "verdicts": f"{judged:,.0f}",
            "fakes": percent(figures.fakes / judged if judged else None),
            "review": percent(figures.review / judged if judged else None),
            "refused": f"{figures.refused:,.0f}",
            "errors": f"{figures.failed:,.0f}",
            "median": milliseconds(figures.median_s),
            "p95": milliseconds(figures.p95_s),
            "queue": f"{figures.waiting:.0f}",
            "store": shared.NONE if figures.store_up is None else text.STORE_STATES[figures.store_up],
        }
    with st.container(horizontal=True):
        for name, value in tiles.items():
            st.metric(text.TILES[name], value, border=True, width=_TILE_PX)


def _traffic(figures: Figures) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(text.TRAFFIC)
        st.caption(text.TRAFFIC_LINE)
        rates = _rates(figures)
        if len(rates) > 1:
            look.plot(charts.traffic_chart(rates), text.TRAFFIC_LINE)
        else:
            st.caption(text.TRAFFIC_WAIT)
    with right:
        st.subheader(text.VERDICT_CHART)
        if figures.judged:
            look.plot(charts.verdict_chart(figures.verdicts), text.VERDICT_CHART)
        else:
            st.caption(text.NO_VERDICTS)
    st.subheader(text.PROBLEMS)
    if figures.problems:
        rows = [{text.CODE: code, text.COUNT: int(count)} for code, count in figures.problems.items()]
        st.dataframe(rows, hide_index=True)
    else:
        st.caption(text.NO_PROBLEMS)


def _rates(figures: Figures) -> list[tuple[float, float]]:
    seen: deque[tuple[float, float]] = st.session_state.setdefault(_SEEN, deque(maxlen=_MOST_SEEN))
    now = time.monotonic()
    if seen and figures.asked < seen[-1][1]:
        seen.clear()  # the service began anew, and so do its counts
    if not seen or now - seen[-1][0] >= 1.0:
        seen.append((now, figures.asked))
    looks = list(seen)
    return [
        (later[0] - looks[0][0], (later[1] - earlier[1]) / (later[0] - earlier[0]))
        for earlier, later in pairwise(looks)
    ]


def _closed(error: ApiError) -> None:
    if error.code in {"forbidden", "keys_required", "unauthenticated"}:
        st.info(text.METRICS_CLOSED)
    else:
        states.show(error, "metrics")


def _drift_part(drift: Drift | None, error: ApiError | None) -> None:
    st.subheader(text.DRIFT)
    if drift is None:
        if error is not None and error.status == 404:
            st.caption(text.DRIFT_MISSING)
        elif error is not None:
            states.show(error, "drift")
        return
    said = drift.model_extra or {}
    status, severity, finding = (str(said.get(name, "")) for name in ("status", "severity", "finding"))
    words = text.DRIFT_STATUS.get(status, status).format(photos=said.get("photos_seen", 0))
    if status == "watching":
        st.badge(text.SEVERITY.get(severity, severity), color="red" if severity in _ALARMING else "green")
        words = f"{words} {text.FINDING.get(finding, finding)}"
    st.markdown(words)
    reasons = said.get("reasons")
    for reason in reasons if isinstance(reasons, list) else []:
        st.markdown(f"- {markdown(str(reason))}")
    found = said.get("charts")
    rows = [
        {title: chart.get(name) for name, title in text.DRIFT_CHART.items()}
        for chart in (found if isinstance(found, list) else [])
        if isinstance(chart, dict)
    ]
    if rows:
        st.dataframe(rows, hide_index=True)


def _links() -> None:
    own = settings()
    links = {
        text.LINK_GRAFANA: own.grafana_url,
        text.LINK_MLFLOW: own.mlflow_url,
        text.LINK_ALERTS: own.alertmanager_url,
    }
    st.subheader(text.LINKS)
    if not any(links.values()):
        st.caption(text.NO_LINKS)
        return
    with st.container(horizontal=True):
        for name, address in links.items():
            if address:
                st.link_button(name, address, icon=":material/open_in_new:")
