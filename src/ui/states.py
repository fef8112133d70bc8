"""What the page says when a call fails: one clear sentence, what to do, and a button to try again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import streamlit as st

from src.client import ApiError
from src.ui.gateway import current_key, settings, use_key
from src.ui.strings import shared as text
from src.ui.wording import markdown

_SHORT_OF_ROOM = {"rate_limited", "overloaded", "model_not_ready", "store_unavailable", "shutting_down"}
_KEY_HELPS = {"unauthenticated", "wrong_key", "forbidden", "keys_required"}


@dataclass(frozen=True, slots=True)
class Problem:
    """A failed call in words.

    Attributes:
        kind: The error's code; `wrong_key` where a key was sent and not taken.
        sentence: What happened.
        advice: What to do about it; empty where the sentence says it all.
        passing: It may be over soon.
    """

    kind: str
    sentence: str
    advice: str
    passing: bool

    @property
    def wants_key(self) -> bool:
        """Whether another key may help."""
        return self.kind in _KEY_HELPS


def problem_of(error: ApiError, *, url: str, has_key: bool) -> Problem:
    """Put an error into words.

    Args:
        error: What the client raised.
        url: The service's address.
        has_key: A key was sent along.
    """
    kind = "wrong_key" if error.code == "unauthenticated" and has_key else error.code
    wait = text.WAIT.format(seconds=math.ceil(error.retry_after_s)) if error.retry_after_s else ""
    sentence = text.ERRORS.get(kind, text.ERRORS["other"])
    detail = error.detail.rstrip(".") + "." if error.detail else error.code
    return Problem(
        kind,
        sentence.format(url=url, wait=wait, detail=detail),
        text.ADVICE.get(kind, ""),
        passing=kind in _SHORT_OF_ROOM or error.status in {0, 502, 503, 504},
    )


def explain(error: ApiError) -> Problem:
    """Put an error of this session into words."""
    return problem_of(error, url=settings().api_url, has_key=bool(current_key()))


def sentence_of(error: ApiError) -> str:
    """Return the one sentence for a row of a table."""
    return explain(error).sentence


def show(error: ApiError, key: str) -> None:
    """Draw an error, with a field for a key where one may help, and a button to try again.

    Args:
        error: What the client raised.
        key: Sets this place apart from others on the page.
    """
    problem = explain(error)
    draw = st.warning if problem.passing and error.status else st.error
    draw(f"**{markdown(problem.sentence)}** {problem.advice}".strip())
    if problem.wants_key:
        with st.form(f"{key}_key_form", border=False):
            typed = st.text_input(text.KEY_INPUT, type="password", help=text.KEY_HINT)
            if st.form_submit_button(text.KEY_USE, type="primary") and typed.strip():
                use_key(typed)
                st.rerun()
    # A click runs the page anew, which is the new try.
    st.button(text.RETRY, key=f"{key}_retry", icon=":material/refresh:")
    if error.request_id:
        st.caption(text.REQUEST_ID.format(id=f"`{error.request_id}`"))
