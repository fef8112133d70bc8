"""The frame around every page: navigation on top, the page, and a line on the service at the foot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from src.client import ApiError
from src.ui import look
from src.ui.gateway import probe, settings
from src.ui.screens import catalogue, inspect, model, monitoring, review
from src.ui.strings import shared as text
from src.ui.wording import markdown

_ICON = Path(__file__).with_name("icon.svg")
_ICONS = {
    "inspect": ":material/image_search:",
    "review": ":material/checklist:",
    "catalogue": ":material/grid_view:",
    "monitoring": ":material/monitoring:",
    "model": ":material/insights:",
}

_SCREENS: dict[str, Callable[[], None]] = {
    "inspect": inspect.page,
    "review": review.page,
    "catalogue": catalogue.page,
    "monitoring": monitoring.page,
    "model": model.page,
}


def run() -> None:
    """Draw the page that is asked for."""
    st.set_page_config(page_title=text.APP, page_icon=str(_ICON), layout="wide")
    look.style()
    chosen = st.navigation(pages(), position="top")
    chosen.run()
    footer()


def pages() -> list[StreamlitPage]:
    """Return the pages in the order of the navigation; the first one is what `/` shows."""
    return [
        st.Page(_SCREENS[name], title=title, icon=_ICONS[name], url_path=name, default=name == "inspect")
        for name, title in text.PAGES.items()
    ]


def pages_by_name() -> list[str]:
    """Return the addresses of the pages, the first page's first."""
    return list(_SCREENS)


def footer() -> None:
    """Say which service answers, and how it does."""
    shown = settings().public_api_url or settings().api_url
    try:
        health = probe().health()
    except ApiError:
        # Each page tells what is wrong; here it is only noted.
        state, model_name = text.FOOTER_DOWN, text.NO_MODEL
    else:
        state = text.FOOTER_STATES.get(health.status, health.status)
        model_name = f"{health.model_name} {health.model_version}" if health.model_name else text.NO_MODEL
    st.divider()
    st.caption(text.FOOTER.format(state=state, model=markdown(model_name), url=f"`{shown}`"))
