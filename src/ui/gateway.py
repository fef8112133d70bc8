"""The client of the service, with the calls that only the page makes, and the one that a session uses."""

from __future__ import annotations

from typing import TypeVar

import streamlit as st
from pydantic import BaseModel, ValidationError

from src.client import ApiError, DetectorClient, Model
from src.client.transport import parse
from src.ui.settings import UiSettings, load_ui_settings
from src.utils.model_card import Policy
from src.utils.model_report import ModelReport

_KEY = "api_key"
_PROBE_S = 5.0
_ASKED_AGAIN_S = 600
_ROUTE_MISSING = 404
Shape = TypeVar("Shape", bound=BaseModel)


class Gateway(DetectorClient):
    """`DetectorClient` and what the pages about model and monitoring ask besides."""

    def metrics(self) -> str:
        """Return the page that Prometheus scrapes; `forbidden` where it is not open to this key."""
        return self._caller.call("GET", "/metrics").text

    def report(self) -> ModelReport | None:
        """Return the figures of the model in service; None where the service has none of it."""
        try:
            return parse(ModelReport, self._caller.call("GET", "/v1/model/report"))
        except ApiError as error:
            if error.status == _ROUTE_MISSING:
                return None
            raise

    def takes_addresses(self) -> bool:
        """Whether the service fetches photos by their address: it says so before it looks at one."""
        try:
            self.predict_url("none:")
        except ApiError as error:
            if error.code == "url_disabled":
                return False
            if error.code in {"url_not_allowed", "invalid_request", "url_unreachable"}:
                return True
            raise
        return True


@st.cache_resource(show_spinner=False)
def settings() -> UiSettings:
    """Return the settings of this process."""
    return load_ui_settings()


@st.cache_resource(show_spinner=False, max_entries=32)
def _client(url: str, key: str, timeout_s: float, retries: int) -> Gateway:
    return Gateway(url, api_key=key or None, timeout_s=timeout_s, retries=retries)


def connect(*, retries: int = 1, timeout_s: float | None = None) -> Gateway:
    """Return the client of this session: with the page's key, or the one that a person typed in.

    Args:
        retries: Tries after the first one; few where a person waits, more for a catalogue.
        timeout_s: Instead of the settings'.
    """
    found = settings()
    return _client(found.api_url, current_key(), timeout_s or found.timeout_s, retries)


def probe() -> Gateway:
    """Return a client that gives up soon, to see whether the service is there."""
    return connect(retries=0, timeout_s=_PROBE_S)


@st.cache_data(show_spinner=False, ttl=_ASKED_AGAIN_S, max_entries=32)
def _takes_addresses(url: str, key: str) -> bool:
    return _client(url, key, settings().timeout_s, 1).takes_addresses()


def takes_addresses() -> bool:
    """Whether the service fetches photos by their address; asked for seldom, as it counts as a refusal there.

    Raises:
        ApiError: It cannot be asked.
    """
    return _takes_addresses(settings().api_url, current_key())


def current_key() -> str:
    """Return the key in use; empty without one."""
    typed: str = st.session_state.get(_KEY, "")
    return typed or settings().api_key


def use_key(key: str) -> None:
    """Use another key in this session; nobody else's session gets it."""
    st.session_state[_KEY] = key.strip()


def policies_of(model: Model) -> dict[str, Policy]:
    """Read the policies of a card, the default one first; those that cannot be read are left out."""
    extra = model.model_extra or {}
    default = extra.get("default_policy")
    found: dict[str, Policy] = {}
    given = extra.get("policies")
    for name, fields in given.items() if isinstance(given, dict) else ():
        try:
            found[str(name)] = Policy.model_validate(fields)
        except ValidationError:
            continue
    return dict(sorted(found.items(), key=lambda item: item[0] != default))
