"""Servers of a rehearsal: started, ready, and stopped; what does not start says why."""

from __future__ import annotations

import signal
import subprocess
import sys

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


def test_a_terminated_rehearsal_leaves_no_server_running(tmp_path):
    program = """
import sys, time
from pathlib import Path
from src.incident.servers import _running, ended_by_sigterm, free_port
port = free_port()
command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
with ended_by_sigterm(), _running(command, f"http://127.0.0.1:{port}/", Path(sys.argv[1])):
    print(port, flush=True)
    time.sleep(600)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        port = process.stdout.readline().strip()
        url = f"http://127.0.0.1:{port}/"
        assert httpx.get(url, trust_env=False, timeout=30).is_success
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    with pytest.raises(httpx.TransportError):
        httpx.get(url, trust_env=False)


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
