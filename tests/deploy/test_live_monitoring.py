"""Every query of rules and dashboards on a real Prometheus that scrapes the real service under traffic."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy.monitoring import alerts, panel_queries, rules, series_in
from tests.deploy.servers import free_port, program, prometheus, until
from tests.support.live import live
from tests.support.pictures import photo_bytes
from tests.support.service import no_keys, quiet_settings

pytestmark = pytest.mark.slow

SHIPPED = Path(__file__).parents[2] / "models" / "detector.onnx"
# Prometheus makes this one itself, and only while an alert is pending or fires.
_MADE_ON_DEMAND = {"ALERTS"}


def send_traffic(url: str, stop: threading.Event) -> None:
    """Photos of all kinds until told to stop: new ones, known ones, broken ones, one with feedback."""
    with httpx.Client(base_url=url, timeout=60) as client:
        seed = 0
        while not stop.is_set():
            seed += 1
            photo = photo_bytes(seed)
            verdict = client.post("/predict", files={"file": photo}).json()
            client.post("/v1/predict", files={"file": photo}, params={"policy": "low_false_positive"})
            client.post("/predict", files={"file": b"no photo"})
            client.post(
                f"/predictions/{verdict['id']}/feedback", json={"true_label": "real", "reviewer": "ana"}
            )
            stop.wait(0.2)


class Server:
    """Asks Prometheus."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Samples of an instant query; a wrong query fails with what Prometheus says of it."""
        reply = self._client.get("/api/v1/query", params={"query": expression}).json()
        assert reply["status"] == "success", f"{expression}: {reply.get('error')}"
        found: list[dict[str, Any]] = reply["data"]["result"]
        return found

    def has_value(self, expression: str) -> bool:
        """Whether a query has at least one sample that is a number."""
        return any(not math.isnan(float(sample["value"][1])) for sample in self.query(expression))

    def series(self) -> set[str]:
        """Names of series that have samples, and of counters that are declared and that nothing has moved."""
        names = set(self._client.get("/api/v1/label/__name__/values").json()["data"])
        return names | set(self._client.get("/api/v1/metadata").json()["data"])

    def rules(self) -> dict[str, str]:
        """Health of each rule by name."""
        groups = self._client.get("/api/v1/rules").json()["data"]["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    program("prometheus")
    folder = tmp_path_factory.mktemp("monitoring")
    settings = quiet_settings(
        SHIPPED,
        store_url=f"sqlite:///{folder / 'store.db'}",
        metrics_open=True,
        keys_file=no_keys(folder),
    )
    stop = threading.Event()
    with live(settings) as url:
        sender = threading.Thread(target=send_traffic, args=(url, stop), daemon=True)
        sender.start()
        try:
            address = url.removeprefix("http://")
            with (
                prometheus(folder, {"detector": address}, f"127.0.0.1:{free_port()}") as place,
                httpx.Client(base_url=place, timeout=30) as client,
            ):
                asked = Server(client)
                until("the rules are evaluated", lambda: asked.has_value("detector:stage_seconds:p95_rate5m"))
                yield asked
        finally:
            stop.set()
            sender.join(30)
    assert not sender.is_alive()


def test_every_rule_is_evaluated_without_an_error(server: Server) -> None:
    names = {rule.get("alert") or rule["record"] for rule in rules()}
    until("all rules are evaluated", lambda: "unknown" not in server.rules().values())
    assert server.rules() == dict.fromkeys(names, "ok")


@pytest.mark.parametrize("name", [rule["record"] for rule in rules() if "record" in rule])
def test_every_recorded_figure_has_a_value(server: Server, name: str) -> None:
    until(f"{name} has a value", lambda: server.has_value(name))


@pytest.mark.parametrize(("place", "query"), list(panel_queries()))
def test_every_panel_shows_something(server: Server, place: str, query: str) -> None:
    until(f"{place} shows something", lambda: server.has_value(query))


@pytest.mark.parametrize("name", sorted(alerts()))
def test_every_alert_asks_for_series_that_exist_and_is_silent_in_health(server: Server, name: str) -> None:
    expression = str(alerts()[name]["expr"])
    missing = series_in(expression) - server.series() - _MADE_ON_DEMAND
    assert missing == set()
    assert server.query(f'ALERTS{{alertname="{name}",alertstate="firing"}}') == []


def test_an_empty_panel_and_a_wrong_query_are_seen(server: Server) -> None:
    assert not server.has_value("detector_no_such_metric")
    assert not server.has_value("vector(0) / 0")
    with pytest.raises(AssertionError, match="parse error"):
        server.has_value("sum(rate(detector_requests_total)")
