"""The first page: a few photos in; for each a verdict in words, a heatmap, what the file says, a sheet."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st
from streamlit.elements.widgets.chat import ChatInputValue

from src.client import ApiError
from src.ui import states
from src.ui.gateway import Gateway, connect, policies_of, takes_addresses
from src.ui.judging import Desk, Judged, Upload
from src.ui.screens.panel import Panel
from src.ui.strings import inspect as text
from src.ui.strings import shared
from src.ui.wording import file_name, markdown, percent, policy, policy_words
from src.utils.model_card import Policy

MOST = 24
_DESK, _PASTED, _FETCHED = "inspect_desk", "inspect_pasted", "inspect_fetched"


def page() -> None:
    """Draw the page."""
    st.title(text.INSPECT_TITLE)
    st.markdown(text.INSPECT_LEAD)
    gateway = connect()
    try:
        policies = policies_of(gateway.model())
        report = gateway.report()
        addresses = takes_addresses()
    except ApiError as error:
        states.show(error, "inspect")
        return
    wanted, stability = _ask(gateway, policies, addresses=addresses)
    found = _judge(gateway, wanted, stability=stability)
    if found:
        chosen = found[_choose(found)]
        desk: Desk = st.session_state[_DESK]
        Panel(gateway, desk, wanted, policies, report, stability).draw(chosen)


def _ask(gateway: Gateway, policies: dict[str, Policy], *, addresses: bool) -> tuple[str | None, bool]:
    left, right = st.columns([3, 2], gap="large")
    with right:
        wanted: str | None = st.segmented_control(
            shared.POLICY,
            list(policies),
            default=next(iter(policies), None),
            format_func=policy,
            help=shared.POLICY_HELP,
            key="inspect_policy",
            required=True,
        )
        if wanted in policies:
            st.caption(policy_words(wanted, policies[wanted].description))
        stability = st.toggle(text.STABILITY, help=text.STABILITY_HELP, key="inspect_stability")
    with left:
        st.file_uploader(
            text.UPLOAD,
            accept_multiple_files=True,
            help=text.UPLOAD_HELP.format(most=MOST),
            key="inspect_files",
        )
        hint = text.PASTE_OR_ADDRESS if addresses else text.PASTE
        given = st.chat_input(hint, accept_file="multiple", key="inspect_paste")
        if given is not None:
            _take(gateway, given, wanted, stability=stability)
        if (_pasted() or _fetched()) and st.button(text.CLEAR, type="tertiary", icon=":material/close:"):
            _pasted().clear()
            _fetched().clear()
            st.rerun()
    return wanted, stability


def _take(gateway: Gateway, given: ChatInputValue, wanted: str | None, *, stability: bool) -> None:
    for file in given.files:
        number = len(_pasted()) + 1
        _pasted().append(Upload(file.name or text.PASTED_NAME.format(number=number), file.getvalue()))
    address = (given.text or "").strip()
    if not address:
        return
    if not address.lower().startswith(("http://", "https://")):
        st.warning(text.NO_ADDRESS)
        return
    upload = Upload(address, None)
    try:
        with st.spinner(text.FETCHING):
            found = gateway.predict_url(address, policy=wanted, stability=stability)
        _fetched().append(Judged(upload, found, datetime.now(UTC)))
    except ApiError as error:
        states.show(error, "inspect_address")


def _judge(gateway: Gateway, wanted: str | None, *, stability: bool) -> list[Judged]:
    files = st.session_state.get("inspect_files") or []
    uploads = [*_pasted(), *(Upload(file.name, file.getvalue()) for file in files)]
    if len(uploads) > MOST:
        st.info(text.TOO_MANY.format(most=MOST))
        uploads = uploads[:MOST]
    desk: Desk = st.session_state.setdefault(_DESK, Desk())
    if not uploads:
        return list(_fetched())
    name = file_name(uploads[-1].name)
    with st.spinner(text.WORKING.format(name=markdown(name))):
        return [*_fetched(), *desk.judge(gateway, uploads, wanted, stability=stability)]


def _choose(found: list[Judged]) -> int:
    if len(found) == 1:
        return 0

    def words(index: int) -> str:
        judged = found[index]
        name = file_name(judged.upload.name)
        if isinstance(judged.outcome, ApiError):
            return f"{index + 1} · {name} – {states.sentence_of(judged.outcome)}"
        label = shared.LABELS[judged.outcome.label]
        return f"{index + 1} · {name} – {label}, {percent(judged.outcome.probability)}"

    return int(st.selectbox(text.PHOTO_CHOICE, range(len(found)), format_func=words))


def _pasted() -> list[Upload]:
    kept: list[Upload] = st.session_state.setdefault(_PASTED, [])
    return kept


def _fetched() -> list[Judged]:
    kept: list[Judged] = st.session_state.setdefault(_FETCHED, [])
    return kept
