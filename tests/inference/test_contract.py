"""The service keeps to its own description: schemathesis makes requests, valid ones and not, and compares."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from src.inference.api import create_app
from src.inference.problem import STATUS
from src.utils.settings import Settings
from tests.inference.test_api import BLUE, RED
from tests.support.service import quiet_settings

EXAMPLES = 15
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
UNDOCUMENTED = {"not_found", "method_not_allowed", "internal_error"}
"""Told by the router for any path, or by a bug; `not_found` stands with routes that look for an id."""


@pytest.fixture(scope="module")
def url(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("contract")
    app = create_app(
        quiet_settings(
            model_path,
            store_url=f"sqlite:///{folder}/detector.db",
            spool_dir=folder / "spool",
            url_hosts=("localhost",),
        )
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, ws="none", log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    give_up = time.monotonic() + 120
    while not server.started or app.state.service.state == "starting":
        assert time.monotonic() < give_up, "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(120)


schemathesis.openapi.format("binary", st.sampled_from([RED, BLUE, b"", b"text"]))
schema = schemathesis.openapi.from_dict(create_app(Settings()).openapi())


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_replies_are_as_described(case: Any, url: str) -> None:
    case.call_and_validate(base_url=url, checks=CHECKS)


def test_every_code_is_described_somewhere(client: Any) -> None:
    document = client.get("/openapi.json").json()
    shown: dict[str, int] = {}
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/problem+json", {})
                for code, example in content.get("examples", {}).items():
                    shown[code] = int(status)
                    assert example["value"]["status"] == int(status)
    assert {code: STATUS[code] for code in shown} == shown
    assert set(STATUS) - set(shown) <= UNDOCUMENTED
