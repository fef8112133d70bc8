"""A page of the application on its own, with a service whose answers the test writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from src.ui import gateway
from src.ui.settings import UiSettings
from tests.ui.fakes import FakeService

Open = Callable[[str], AppTest]
TIMEOUT_S = 60


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of this machine, and nothing remembered from another test."""
    for name in ("API_URL", "API_KEY", "GRAFANA_URL", "MLFLOW_URL", "ALERTMANAGER_URL", "PUBLIC_API_URL"):
        monkeypatch.delenv(f"DETECTOR_UI_{name}", raising=False)
        monkeypatch.delenv(f"DETECTOR_{name}", raising=False)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Changes the settings of the page."""

    def change(**values: object) -> None:
        found = UiSettings(_secrets_dir=None).model_copy(update=values)
        for place in ("gateway", "states", "shell", "screens.catalogue", "screens.monitoring"):
            monkeypatch.setattr(f"src.ui.{place}.settings", lambda: found)

    return change


@pytest.fixture
def opened(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens a page by its name."""
    monkeypatch.setattr(gateway, "_client", lambda *_: service)

    def open_page(name: str) -> AppTest:
        script = f"from src.ui.screens import {name}\n{name}.page()"
        return AppTest.from_string(script, default_timeout=TIMEOUT_S).run()

    return open_page


def words(page: AppTest) -> str:
    """Everything that a page says in text."""
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error", "success", "html")
    return "\n".join(str(each.value) for kind in kinds for each in getattr(page, kind))
