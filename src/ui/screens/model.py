"""The model in service: its card, policies and figures, and what another threshold would bring."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from src.client import ApiError, Model
from src.ui import charts, look, states
from src.ui.gateway import connect, policies_of
from src.ui.strings import model as text
from src.ui.strings import shared
from src.ui.wording import interval, markdown, moment, percent, policy, policy_words
from src.utils.model_card import Policy
from src.utils.model_report import Curve, Dataset, Estimate, ModelReport

_SHARES = {"accuracy", "precision", "recall", "specificity"}
_SHORT = 12


def page() -> None:
    """Draw the page."""
    st.title(text.MODEL_TITLE)
    st.markdown(text.MODEL_LEAD)
    gateway = connect()
    try:
        model = gateway.model()
        report = gateway.report()
    except ApiError as error:
        states.show(error, "model")
        return
    policies = policies_of(model)
    _card(model)
    _policies(policies, report)
    if report is None:
        st.info(text.NO_REPORT)
        return
    dataset, tier = _choose(report)
    curve = report.curve(dataset, tier)
    if curve is not None:
        _explore(curve, policies)
    _figures(report, policies, dataset, tier)
    if curve is not None and curve.reliability:
        _plots(curve)


def _card(model: Model) -> None:
    extra = model.model_extra or {}
    facts = {
        "name": model.name,
        "version": model.version,
        "architecture": model.architecture,
        "created": _moment(str(extra.get("created") or "")),
        "git_commit": str(extra.get("git_commit") or "")[:_SHORT],
        "data_hash": str(extra.get("data_hash") or "")[:_SHORT],
    }
    with st.container(border=True):
        columns = st.columns(3)
        shown = [(name, value) for name, value in facts.items() if value]
        for index, (name, value) in enumerate(shown):
            columns[index % len(columns)].markdown(f"{text.CARD[name]}  \n**{markdown(value)}**")


def _moment(stamp: str) -> str:
    try:
        return moment(datetime.fromisoformat(stamp))
    except ValueError:
        return stamp


def _policies(policies: dict[str, Policy], report: ModelReport | None) -> None:
    st.subheader(text.POLICY_TABLE)
    if not policies:
        st.info(text.NO_POLICIES)
        return
    names = text.POLICY_COLUMNS
    rows = []
    for name, each in policies.items():
        row = {
            names["policy"]: policy(name),
            names["threshold"]: percent(each.threshold, 1),
            names["band"]: f"{percent(each.review_low)} – {percent(each.review_high)}",
        }
        measured = report.of_policy(name) if report is not None else None
        if measured is not None:
            row |= {
                names["specificity"]: _figure(measured.figures.get("specificity")),
                names["recall"]: _figure(measured.figures.get("recall")),
                names["review"]: percent(measured.review_share, 1),
            }
        rows.append(row)
    st.dataframe(rows, hide_index=True)
    for name, each in policies.items():
        if each.description:
            described = f"{policy_words(name, '')} {markdown(each.description)}".strip()
            st.caption(f"**{markdown(policy(name))}** – {described}")


def _choose(report: ModelReport) -> tuple[Dataset, str]:
    st.subheader(text.EXPLORER)
    st.markdown(text.EXPLORER_LEAD)
    known: tuple[Dataset, ...] = ("unseen", "test", "heldout")
    datasets = [name for name in known if any(each.dataset == name for each in report.curves)]
    with st.container(horizontal=True):
        dataset: Dataset = st.selectbox(
            text.DATASET, datasets, format_func=lambda name: text.DATASETS[name], width=320
        )
        tiers = [each.tier for each in report.curves if each.dataset == dataset]
        tier = st.selectbox(
            text.TIER, tiers, format_func=lambda name: text.TIERS.get(str(name), str(name)), width=320
        )
    return dataset, str(tier)


@st.fragment
def _explore(curve: Curve, policies: dict[str, Policy]) -> None:
    start = next(iter(policies.values())).threshold if policies else 0.5
    at = st.slider(text.THRESHOLD, 0, 100, round(100 * start), 1, format="%d %%") / 100
    row = min(curve.rows, key=lambda each: abs(each.threshold - at))
    false, found = row.false_positives.value, row.recall.value
    left, right = st.columns(2)
    left.metric(text.FALSE_ALARMS, _figure(row.false_positives), border=True)
    right.metric(text.FOUND, _figure(row.recall), border=True)
    if false is not None and found is not None:
        st.markdown(text.PER_THOUSAND.format(false=f"{1000 * false:.0f}", missed=f"{1000 * (1 - found):.0f}"))
    if curve.dataset == "unseen":
        st.caption(text.EXPLORER_NOTE)
    marks = {name: each.threshold for name, each in policies.items()}
    wide, narrow = st.columns([3, 2], gap="medium")
    with wide:
        look.plot(charts.threshold_chart(curve, at, marks), text.EXPLORER)
    with narrow:
        look.plot(charts.roc_chart(curve, at), text.ROC)


def _figures(report: ModelReport, policies: dict[str, Policy], dataset: Dataset, tier: str) -> None:
    st.subheader(text.FIGURE_TABLE)
    found = [each for name in policies if (each := report.of_policy(name, dataset, tier)) is not None]
    if not found:
        st.caption(shared.NONE)
        return
    rows = [
        {text.POLICY_COLUMNS["policy"]: policy(each.policy)}
        | {title: _figure(each.figures.get(name), name) for name, title in text.FIGURES.items()}
        for each in found
    ]
    st.dataframe(rows, hide_index=True)
    st.caption(text.FIGURE_NOTE.format(photos=f"{found[0].photos:,}", fakes=f"{found[0].fakes:,}"))


def _plots(curve: Curve) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(text.RELIABILITY)
        look.plot(charts.reliability_chart(curve), text.RELIABILITY)
    with right:
        st.subheader(text.HISTOGRAM)
        look.plot(charts.histogram_chart(curve), text.HISTOGRAM)


def _figure(estimate: Estimate | None, name: str = "recall") -> str:
    if estimate is None or estimate.value is None:
        return shared.NONE
    if name in _SHARES:
        return interval(estimate.value, estimate.low, estimate.high)
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
