"""Every route of the app stands in the table on purpose, and what does not is closed."""

from __future__ import annotations

import pytest

from src.inference.access.rules import need_of
from src.inference.api import create_app
from src.utils.settings import Settings

OPEN = {"/"} | {f"{root}/{name}" for root in ("", "/v1") for name in ("livez", "readyz", "health")}
ADMIN = {
    ("GET", "/metrics"),
    ("POST", "/model/reload"),
    ("POST", "/v1/model/reload"),
    ("DELETE", "/predictions/0"),
    ("DELETE", "/v1/predictions/0"),
}


def routes() -> set[tuple[str, str]]:
    paths = create_app(Settings()).openapi()["paths"]
    return {
        (method.upper(), path.replace("{prediction_id}", "0"))
        for path, operations in paths.items()
        for method in operations
    }


def test_only_probes_and_descriptions_are_open() -> None:
    assert {path for method, path in routes() if need_of(method, path) == "nothing"} <= OPEN


def test_what_needs_admin_does_so_on_purpose() -> None:
    assert {call for call in routes() if need_of(*call) == "admin"} == ADMIN


@pytest.mark.parametrize(
    ("method", "path", "need"),
    [
        ("POST", "/predict", "predict"),
        ("POST", "/v1/predict/batch", "predict"),
        ("POST", "/predict/url", "predict"),
        ("POST", "/explain", "predict"),
        ("GET", "/predictions/abc", "any"),
        ("POST", "/v1/predictions/abc/feedback", "review"),
        ("GET", "/review", "review"),
        ("GET", "/livez", "nothing"),
        ("GET", "/", "nothing"),
        ("POST", "/", "admin"),
        ("GET", "/v1/health", "nothing"),
        ("GET", "/docs/swagger-ui.css", "nothing"),
        ("GET", "/docs/../metrics", "admin"),
        ("GET", "/docs/a/b", "admin"),
        ("GET", "", "admin"),
        ("POST", "/livez", "admin"),
        ("GET", "/v1/v1/livez", "admin"),
        ("GET", "/predict/../livez", "admin"),
        ("GET", "/livez/", "admin"),
        ("GET", "/livez\n", "admin"),
        ("GET", "/secret", "admin"),
    ],
)
def test_needs(method: str, path: str, need: str) -> None:
    assert need_of(method, path) == need
