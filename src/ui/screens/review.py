"""The review queue: one doubtful photo after another, decided by a key or a click, with who and when."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from src.client import ApiError, KeptFeedback, KeptPrediction, Signal
from src.ui import feedback, look, states
from src.ui.gateway import Gateway, connect, policies_of
from src.ui.preview import preview
from src.ui.strings import inspect as inspect_text
from src.ui.strings import review as text
from src.ui.strings import shared
from src.ui.verdict import words_of
from src.ui.wording import markdown, moment, percent
from src.utils.model_card import Label, Policy
from src.utils.model_report import ModelReport

_QUEUE = "review_queue"
_PAGE = 20


@dataclass
class Queue:
    """What this session has loaded of the queue, and where it stands.

    Attributes:
        items: Loaded so far.
        at: Index of the one on the page; the length of `items` at the end.
        cursor: Leads to the next page; None at the end.
        said: Feedback given in this session, by prediction.
        asides: Predictions that were left to somebody else.
        pictures: Previews, by prediction; None for photos that are not kept.
    """

    items: list[KeptPrediction] = field(default_factory=list)
    at: int = 0
    cursor: str | None = None
    said: dict[str, KeptFeedback] = field(default_factory=dict)
    asides: set[str] = field(default_factory=set)
    pictures: dict[str, bytes | None] = field(default_factory=dict)

    @classmethod
    def load(cls, gateway: Gateway, said: dict[str, KeptFeedback] | None = None) -> Queue:
        """Load the first page; what was said in this session stays known."""
        page = gateway.review(limit=_PAGE)
        return cls(list(page.items), cursor=page.next_cursor, said=said or {})

    def step(self, gateway: Gateway, by: int) -> None:
        """Go on or back; loads another page where this one ends."""
        self.at = max(0, min(self.at + by, len(self.items)))
        if self.at == len(self.items) and self.cursor is not None:
            page = gateway.review(cursor=self.cursor, limit=_PAGE)
            self.items += page.items
            self.cursor = page.next_cursor

    def picture(self, gateway: Gateway, item: KeptPrediction) -> bytes | None:
        """Return what can be shown of the photo; asked for once."""
        if item.id not in self.pictures:
            photo = gateway.photo(item.id) if item.has_image else None
            self.pictures[item.id] = None if photo is None else preview(photo)
        return self.pictures[item.id]


def page() -> None:
    """Draw the page."""
    st.title(text.REVIEW_TITLE)
    st.markdown(text.REVIEW_LEAD)
    gateway = connect()
    try:
        if _QUEUE not in st.session_state:
            st.session_state[_QUEUE] = Queue.load(gateway)
        queue: Queue = st.session_state[_QUEUE]
        policies = policies_of(gateway.model())
        report = gateway.report()
        if queue.at < len(queue.items):
            _item(gateway, queue, policies, report)
        else:
            _end(gateway, queue)
    except ApiError as error:
        states.show(error, "review")
        return
    _done(queue)


def _item(gateway: Gateway, queue: Queue, policies: dict[str, Policy], report: ModelReport | None) -> None:
    item = queue.items[queue.at]
    picture = queue.picture(gateway, item)
    left, right = st.columns(2, gap="large")
    with left:
        with st.container(key="review_picture"):
            if picture is None:
                st.info(text.REVIEW_NO_PHOTO)
            else:
                st.image(picture, width="stretch", alt=item.id)
        more = text.REVIEW_MORE if queue.cursor else ""
        place = text.REVIEW_POSITION.format(position=queue.at + 1, loaded=len(queue.items), more=more)
        st.caption(f"{place} · {moment(item.created_at)} · {markdown(item.model_version)} · `{item.id}`")
        look.signals(*_evidence(item))
    with right:
        look.verdict_card(words_of(item, report), item.probability, _band(item, policies))
        _decide(gateway, queue, item)


def _band(item: KeptPrediction, policies: dict[str, Policy]) -> Policy:
    known = policies.get(item.policy)
    if known is not None and known.threshold == item.threshold:
        return known
    # Judged by another model: its review band is not known here.
    return Policy(threshold=item.threshold, review_low=item.threshold, review_high=item.threshold)


def _decide(gateway: Gateway, queue: Queue, item: KeptPrediction) -> None:
    with st.container(horizontal=True):
        real = st.button(
            inspect_text.SAY_REAL, shortcut="1", icon=":material/check:", type="primary", key="review_real"
        )
        fake = st.button(
            inspect_text.SAY_FAKE,
            shortcut="2",
            icon=":material/auto_awesome:",
            type="primary",
            key="review_fake",
        )
        unsure = st.button(
            inspect_text.SAY_UNSURE, shortcut="3", icon=":material/question_mark:", key="review_unsure"
        )
    with st.container(horizontal=True):
        back = st.button(text.REVIEW_BACK, shortcut="Left", disabled=queue.at == 0, key="review_back")
        on = st.button(text.REVIEW_NEXT, shortcut="Right", key="review_next")
    told = st.container()
    name, why = st.columns(2)
    with name:
        reviewer = feedback.name_field("review")
    with why:
        typed = st.text_input(
            inspect_text.REASON,
            placeholder=inspect_text.REASON_HINT,
            max_chars=1900,
            key=f"reason_{item.id}",
        )
    picked = st.pills(
        text.REVIEW_REASON_PICK,
        text.REVIEW_REASONS,
        key=f"why_{item.id}",
        label_visibility="collapsed",
        wrap=True,
    )
    _earlier(queue, item)
    if unsure:
        queue.asides.add(item.id)
        _go(gateway, queue, 1)
    if back or on:
        _go(gateway, queue, 1 if on else -1)
    if real or fake:
        label: Label = "real" if real else "ai_generated"
        reason = "; ".join(part for part in (picked, typed.strip()) if part)
        with told:
            kept = feedback.send(item.id, label, reviewer=reviewer, reason=reason, place="review")
        if kept is not None:
            queue.said[item.id] = kept
            queue.asides.discard(item.id)
            _go(gateway, queue, 1)


def _earlier(queue: Queue, item: KeptPrediction) -> None:
    kept = queue.said.get(item.id)
    if kept is not None:
        st.caption(f"{text.REVIEW_EARLIER}: {feedback.said(kept)}")
    elif item.id in queue.asides:
        st.caption(text.REVIEW_SET_ASIDE)


def _go(gateway: Gateway, queue: Queue, by: int) -> None:
    queue.step(gateway, by)
    st.rerun()


def _end(gateway: Gateway, queue: Queue) -> None:
    if queue.items:
        st.success(text.REVIEW_END)
    else:
        st.success(f"**{text.REVIEW_EMPTY}** {text.REVIEW_EMPTY_HINT}")
    with st.container(horizontal=True):
        if queue.items and st.button(text.REVIEW_BACK, shortcut="Left", key="review_back"):
            _go(gateway, queue, -1)
        if st.button(text.REVIEW_RELOAD, icon=":material/refresh:", key="review_reload"):
            st.session_state[_QUEUE] = Queue.load(gateway, queue.said)
            st.rerun()


def _done(queue: Queue) -> None:
    if not queue.said:
        return
    verdicts = {item.id: item for item in queue.items}
    names = text.REVIEW_COLUMNS
    rows = [
        {
            names["when"]: moment(kept.created_at),
            names["who"]: kept.reviewer,
            names["said"]: shared.LABELS[kept.true_label],
            names["detector"]: _said(verdicts.get(kept.prediction_id)),
            names["reason"]: kept.reason,
            names["id"]: kept.prediction_id,
        }
        for kept in reversed(queue.said.values())
    ]
    st.subheader(text.REVIEW_DONE)
    st.dataframe(rows, hide_index=True)


def _said(item: KeptPrediction | None) -> str:
    return shared.NONE if item is None else f"{shared.LABELS[item.label]}, {percent(item.probability)}"


def _evidence(item: KeptPrediction) -> tuple[tuple[Signal, ...], str]:
    kept = (item.evidence or {}).get("provenance")
    if not isinstance(kept, dict):
        return (), "pixels"
    raw = kept.get("signals")
    return (
        tuple(Signal.model_validate(each) for each in raw) if isinstance(raw, list) else (),
        str(kept.get("basis", "pixels")),
    )
