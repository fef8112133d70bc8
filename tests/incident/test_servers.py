"""Servers of a rehearsal: started, ready, and stopped; what does not start says why."""

from __future__ import annotations

import httpx
import pytest
import yaml

from src.incident.servers import PROMETHEUS, alerting, service
from src.utils.errors import ConfigError
from tests.support.programs import needs


def test_a_service_that_cannot_start_tells_its_log(tmp_path):
    settings = {"DETECTOR_KEYS_FILE": str(tmp_path / "gone.json"), "DETECTOR_LOG_LEVEL": "critical"}
    with pytest.raises(ConfigError, match="does not start: "), service(tmp_path, settings):
        pass


@pytest.mark.slow
def test_prometheus_and_alertmanager_run_with_the_repositorys_rules_and_know_each_other(tmp_path):
    needs("prometheus")
    needs("prometheus-alertmanager")
    with alerting(tmp_path, "127.0.0.1:9") as (prometheus, alertmanager):
        with httpx.Client(trust_env=False, timeout=30) as client:
            groups = client.get(f"{prometheus}/api/v1/rules").json()["data"]["groups"]
            rules = {rule["name"] for group in groups for rule in group["rules"]}
            told = client.get(f"{prometheus}/api/v1/alertmanagers").json()["data"]["activeAlertmanagers"]
            routes = client.get(f"{alertmanager}/api/v2/status").json()["config"]["original"]
        urls = (prometheus, alertmanager)
    wanted = {
        rule["alert"]
        for path in (PROMETHEUS / "rules").glob("*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert "DriftCritical" in wanted
    assert wanted <= rules
    assert told == [] or told[0]["url"].startswith(alertmanager)
    assert "operators" in routes
    for url in urls:
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}/-/ready", trust_env=False)
