"""Settings of the page, and who gets which key."""

from __future__ import annotations

import httpx
import pytest

from src.client import ApiError
from src.ui.gateway import Gateway
from src.ui.settings import load_ui_settings
from src.utils.errors import ConfigError
from tests.ui.fakes import report


def gateway(answer) -> Gateway:
    return Gateway("http://t", retries=0, transport=httpx.MockTransport(answer))


def test_the_service_is_on_this_machine_unless_said_otherwise(monkeypatch, tmp_path) -> None:
    assert load_ui_settings(tmp_path).api_url == "http://127.0.0.1:8000"
    monkeypatch.setenv("DETECTOR_API_URL", "http://one:1")
    assert load_ui_settings(tmp_path).api_url == "http://one:1"
    monkeypatch.setenv("DETECTOR_UI_API_URL", "http://two:2")
    assert load_ui_settings(tmp_path).api_url == "http://two:2"


def test_the_key_comes_from_a_secret_file_and_is_not_shown(tmp_path) -> None:
    (tmp_path / "detector_api_key").write_text("pd_secret")
    found = load_ui_settings(tmp_path)
    assert found.api_key == "pd_secret"
    assert "pd_secret" not in repr(found)


def test_a_wrong_value_is_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("DETECTOR_UI_WORKERS", "none")
    with pytest.raises(ConfigError, match="DETECTOR_UI_WORKERS"):
        load_ui_settings(tmp_path)


def test_a_service_without_a_report_has_none() -> None:
    problem = {"code": "not_found", "detail": "x", "status": 404}
    assert gateway(lambda _: httpx.Response(404, json=problem)).report() is None
    told = report().model_dump(mode="json")
    assert gateway(lambda _: httpx.Response(200, json=told)).report() == report()
    with pytest.raises(ApiError):
        gateway(lambda _: httpx.Response(500, json={"code": "internal_error"})).report()


@pytest.mark.parametrize(
    ("code", "status", "takes"), [("url_disabled", 403, False), ("url_not_allowed", 422, True)]
)
def test_the_service_itself_says_whether_it_fetches_photos(code, status, takes) -> None:
    answer = httpx.Response(status, json={"code": code, "detail": "x"})
    assert gateway(lambda _: answer).takes_addresses() is takes


def test_a_key_without_the_scope_is_no_answer_to_that() -> None:
    answer = httpx.Response(401, json={"code": "unauthenticated", "detail": "x"})
    with pytest.raises(ApiError):
        gateway(lambda _: answer).takes_addresses()
