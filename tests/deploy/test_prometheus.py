"""Rules by Prometheus' own tool, alert routes by Alertmanager's, and the runbooks that alerts name."""

from __future__ import annotations

import json
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.monitoring import PROMETHEUS, REPO, RUNBOOKS, alerts, dashboards, series_in
from tests.deploy.script import alert_config
from tests.deploy.servers import alertmanager, program, until

BASE = (REPO / "deploy" / "alertmanager" / "alertmanager.yml").read_text()
MAIL = {
    "ALERT_MAIL_TO": "night@shop.example",
    "ALERT_MAIL_FROM": "detector@shop.example",
    "ALERT_SMTP_HOST": "mail.shop.example:587",
}


def run(*words: str | Path) -> str:
    """Run a tool; fails with all that it says."""
    done = subprocess.run(
        [str(word) for word in words], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts_with_a_test() -> set[str]:
    """Alerts that some test expects to fire."""
    files = [yaml.safe_load(path.read_text()) for path in (PROMETHEUS / "tests").glob("*.yml")]
    checks = [check for file in files for test in file["tests"] for check in test.get("alert_rule_test", [])]
    return {check["alertname"] for check in checks if check["exp_alerts"]}


def test_the_configuration_is_valid():
    run(program("promtool"), "check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.slow
def test_alerts_fire_on_what_they_are_for_and_not_before():
    run(program("promtool"), "test", "rules", *sorted((PROMETHEUS / "tests").glob("*.yml")))


def test_every_alert_is_seen_firing_in_a_test():
    assert set(alerts()) == alerts_with_a_test()


@pytest.mark.parametrize("name", sorted(alerts()))
def test_every_alert_says_how_urgent_it_is_and_where_its_runbook_is(name):
    rule = alerts()[name]
    assert rule["labels"]["severity"] in ("page", "ticket")
    page = REPO / rule["annotations"]["runbook"]
    assert page.parent == RUNBOOKS
    text = page.read_text()
    assert name in text.splitlines()[2]
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        *("## What it means", "## Look", "## Do", "## It is over when")
    ]


def test_every_runbook_belongs_to_an_alert_and_stands_in_the_list():
    pages = {path.name for path in RUNBOOKS.glob("*.md")} - {"README.md"}
    assert pages == {Path(rule["annotations"]["runbook"]).name for rule in alerts().values()}
    index = (RUNBOOKS / "README.md").read_text()
    assert [name for name in [*pages, *alerts()] if name not in index] == []


def test_dashboards_are_provisioned_and_ask_the_provisioned_source():
    boards = dashboards()
    assert set(boards) == {"service.json", "model.json", "drift.json", "incident.json"}
    sources = REPO / "deploy" / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    uid = yaml.safe_load(sources.read_text())["datasources"][0]["uid"]
    panels = [panel for board in boards.values() for panel in board["panels"]]
    assert {panel["datasource"]["uid"] for panel in panels} == {uid}
    assert {target["datasource"]["uid"] for panel in panels for target in panel["targets"]} == {uid}
    assert len({board["uid"] for board in boards.values()}) == len(boards)


def test_panels_do_not_lie_on_each_other():
    for name, board in dashboards().items():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {
                (at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])
            }  # Grafana's grid is 24 wide
            assert max(x for x, _ in cells) < 24, (name, panel["title"])
            assert not cells & taken, (name, panel["title"])
            taken |= cells


def test_series_are_found_in_a_query():
    query = 'sum by (le) (rate(detector_a_bucket{x="detector_b"}[5m])) / up and detector:c:rate5m'
    assert series_in(query) == {"detector_a_bucket", "up", "detector:c:rate5m"}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ALERT_WEBHOOK_URL": "https://hooks.shop.example/detector?key=a&b='c'"},
        MAIL,
        MAIL | {"ALERT_WEBHOOK_URL": "http://chat:8080/", "ALERT_SMTP_USER": "detector"},
    ],
)
def test_alert_routes_are_valid_with_every_setting(tmp_path, settings):
    path = tmp_path / "alertmanager.yml"
    path.write_text(alert_config(BASE, settings))
    run(program("amtool"), "check-config", path)
    receiver = yaml.safe_load(path.read_text())["receivers"][-1]
    assert ("webhook_configs" in receiver) == ("ALERT_WEBHOOK_URL" in settings)
    assert ("email_configs" in receiver) == ("ALERT_MAIL_TO" in settings)


def test_mail_without_a_server_is_refused():
    with pytest.raises(SystemExit, match="smarthost"):
        alert_config(BASE, {"ALERT_MAIL_TO": "a@shop.example", "ALERT_MAIL_FROM": "b@shop.example"})


@pytest.mark.slow
def test_an_alert_reaches_the_webhook_and_what_follows_from_it_does_not(tmp_path):
    told: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as hook:
        Thread(target=hook.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{hook.server_address[1]}/"
        config = alert_config(BASE, {"ALERT_WEBHOOK_URL": url}).replace("group_wait: 10s", "group_wait: 1s")
        with alertmanager(tmp_path, config) as address:
            labels = [
                {"alertname": "DetectorDown"},
                {"alertname": "DetectorNotReady"},
                {"alertname": "Drift"},
            ]
            fired = [{"labels": label | {"severity": "page", "instance": "a"}} for label in labels]
            httpx.post(f"http://{address}/api/v2/alerts", json=fired).raise_for_status()
            until("both groups are told", lambda: len(told) >= 2)
        hook.shutdown()
    assert {alert["labels"]["alertname"] for group in told for alert in group["alerts"]} == {
        *("DetectorDown", "Drift")
    }
