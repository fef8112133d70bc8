"""What a person says a photo really is: name and reason as fields, and the call that keeps it."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from src.client import ApiError, KeptFeedback
from src.ui import states
from src.ui.gateway import connect
from src.ui.strings import inspect as text
from src.ui.strings import shared
from src.ui.wording import markdown, moment

_NAME = "reviewer_name"


def name_field(place: str) -> str:
    """Draw the field for the reviewer's name, which is remembered on all pages of the session."""
    key = f"reviewer_{place}"
    st.session_state.setdefault(key, st.session_state.get(_NAME, ""))
    typed = st.text_input(text.REVIEWER, key=key, max_chars=200)
    st.session_state[_NAME] = typed.strip()
    return typed.strip()


def send(
    prediction_id: str, label: Literal["real", "ai_generated"], *, reviewer: str, reason: str, place: str
) -> KeptFeedback | None:
    """Keep what was said; None, with the reason on the page, where it was not kept."""
    if not reviewer:
        st.warning(text.REVIEWER_MISSING)
        return None
    try:
        return connect().feedback(prediction_id, label, reviewer=reviewer, reason=reason.strip())
    except ApiError as error:
        states.show(error, f"{place}_feedback")
        return None


def said(kept: KeptFeedback) -> str:
    """Return what was kept, in words."""
    return text.FEEDBACK_KEPT.format(
        label=shared.LABELS[kept.true_label], reviewer=markdown(kept.reviewer), when=moment(kept.created_at)
    )
