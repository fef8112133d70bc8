"""One judged photo on the first page: picture and heatmap on one side, verdict and feedback on the other."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from src.client import ApiError, Explanation, Prediction
from src.ui import feedback, look, states
from src.ui.gateway import Gateway
from src.ui.hints import attribution_words, stability_words
from src.ui.judging import Desk, Judged
from src.ui.preview import blend
from src.ui.sheet import as_json, sheet
from src.ui.strings import inspect as text
from src.ui.strings import shared
from src.ui.strings import verdict as verdict_text
from src.ui.verdict import words_of
from src.ui.wording import file_name, markdown, milliseconds, moment, policy, size
from src.utils.model_card import Label, Policy
from src.utils.model_report import ModelReport


@dataclass(frozen=True, slots=True)
class Panel:
    """Draws judged photos.

    Attributes:
        gateway: Asked for heatmaps.
        desk: Remembers them.
        policy: That the photos were judged by; the model's default if None.
        policies: Of the model in service.
        report: Its figures, if there are any.
        stability: How the photos' verdicts hold was asked for.
    """

    gateway: Gateway
    desk: Desk
    policy: str | None
    policies: dict[str, Policy]
    report: ModelReport | None
    stability: bool = False

    def draw(self, judged: Judged) -> None:
        """Draw one photo, or why it has no verdict."""
        if isinstance(judged.outcome, ApiError):
            st.markdown(f"**{markdown(file_name(judged.upload.name))}**")
            states.show(judged.outcome, "inspect_photo")
            return
        found = judged.outcome
        left, right = st.columns(2, gap="large")
        with right:
            look.verdict_card(words_of(found, self.report), found.probability, self._band(found))
            _stability(found)
            look.signals(found.provenance.signals, found.provenance.basis)
        with left:
            with st.spinner(text.EXPLAINING):
                judged = self.desk.explain(self.gateway, judged, self.policy, stability=self.stability)
            with st.container(key="inspect_picture"):
                _picture(judged)
            _downloads(judged, found)
        with right:
            _attribution(judged)
            _feedback(found)
            _facts(judged, found)

    def _band(self, found: Prediction) -> Policy:
        known = self.policies.get(found.policy)
        if known is not None and known.threshold == found.threshold:
            return known
        return Policy(threshold=found.threshold, review_low=found.threshold, review_high=found.threshold)


def _stability(found: Prediction) -> None:
    sentence, forms = stability_words(found)
    if sentence:
        st.markdown(f"**{verdict_text.STABILITY_TITLE}**")
        st.markdown(sentence)
        st.caption("  \n".join(forms))


def _attribution(judged: Judged) -> None:
    explained = judged.explained
    words = attribution_words(explained.attribution) if isinstance(explained, Explanation) else ""
    if words:
        st.markdown(f"**{verdict_text.ATTRIBUTION_TITLE}**")
        st.markdown(words)


@st.fragment
def _picture(judged: Judged) -> None:
    explained = judged.explained
    name = file_name(judged.upload.name)
    if judged.upload.photo is None:
        st.info(text.FROM_ADDRESS)
    elif not isinstance(explained, Explanation):
        if judged.picture is None:
            st.caption(text.NO_PREVIEW)
        else:
            st.image(judged.picture, width="stretch", alt=name)
        if explained is not None:
            st.info(text.NO_HEATMAP.format(reason=states.sentence_of(explained)))
    elif judged.picture is None:
        st.image(explained.overlay, width="stretch", alt=name)
        st.caption(text.HEATMAP_CAPTION)
    else:
        place = st.container()
        opacity = st.slider(text.HEATMAP, 0, 100, 60, 5, format="%d %%", help=text.HEATMAP_HELP)
        place.image(blend(judged.picture, explained.overlay, opacity / 100), width="stretch", alt=name)
        st.caption(text.HEATMAP_CAPTION)


def _downloads(judged: Judged, found: Prediction) -> None:
    explained = judged.explained if isinstance(judged.explained, Explanation) else None
    facts = sheet(found, explained, name=judged.upload.name, photo=judged.upload.photo, when=judged.when)

    def pdf() -> bytes:
        from src.ui.sheet_pdf import as_pdf  # noqa: PLC0415 - most verdicts need no sheet

        overlay = explained.overlay if explained else None
        return as_pdf(facts, found, picture=judged.picture, overlay=overlay, when=judged.when)

    with st.container(horizontal=True):
        st.download_button(
            text.SHEET_JSON,
            as_json(facts),
            file_name=f"evidence-{found.id}.json",
            mime="application/json",
            icon=":material/data_object:",
            on_click="ignore",
        )
        st.download_button(
            text.SHEET_PDF,
            pdf,
            file_name=f"evidence-{found.id}.pdf",
            mime="application/pdf",
            icon=":material/picture_as_pdf:",
            on_click="ignore",
        )


@st.fragment
def _feedback(found: Prediction) -> None:
    st.markdown(f"**{text.FEEDBACK_TITLE}**")
    if not found.stored:
        st.caption(shared.NOT_STORED)
        return
    st.caption(text.FEEDBACK_LEAD)
    reviewer = feedback.name_field("inspect")
    reason = st.text_input(
        text.REASON, placeholder=text.REASON_HINT, max_chars=2000, key=f"reason_{found.id}"
    )
    with st.container(horizontal=True):
        real = st.button(text.SAY_REAL, icon=":material/check:", key="say_real")
        fake = st.button(text.SAY_FAKE, icon=":material/auto_awesome:", key="say_fake")
        unsure = st.button(text.SAY_UNSURE, icon=":material/question_mark:", key="say_unsure")
    if unsure:
        st.info(text.FEEDBACK_UNSURE)
    if real or fake:
        label: Label = "real" if real else "ai_generated"
        kept = feedback.send(found.id, label, reviewer=reviewer, reason=reason, place="inspect")
        if kept is not None:
            st.success(feedback.said(kept))


def _facts(judged: Judged, found: Prediction) -> None:
    photo = judged.upload.photo
    rows = {
        "name": file_name(judged.upload.name),
        "size": size(len(photo)) if photo is not None else "",
        "policy": policy(found.policy),
        "model_version": found.model_version,
        "time": milliseconds(found.timings_ms["total"] / 1000) if "total" in found.timings_ms else "",
        "created_at": moment(judged.when),
        "id": found.id,
    }
    with st.expander(text.FACTS):
        lines = [f"{text.FACT_NAMES[key]}: {markdown(value)}" for key, value in rows.items() if value]
        st.markdown("  \n".join(lines))
