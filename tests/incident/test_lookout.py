"""Alarms are noted once, with their first time, in whichever place they are."""

from __future__ import annotations

import time
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException

from src.incident.lookout import PAGE, Lookout
from src.monitoring.drift.schema import DriftReport
from tests.support.live import listening

WAIT_S = 60.0


class Stage:
    """A service, a Prometheus and an Alertmanager that say what a test sets."""

    def __init__(self) -> None:
        self.severity = "none"
        self.firing: list[str] = []
        self.paging: list[str] = []
        self.looks, self.broken = 0, False
        self.app = FastAPI()
        self.app.get("/v1/drift")(self.drift)
        self.app.get("/api/v1/alerts")(self.prometheus)
        self.app.get("/api/v2/alerts")(self.alertmanager)

    def drift(self) -> dict[str, Any]:
        report = DriftReport.model_validate({"status": "watching", "severity": self.severity})
        return report.model_dump(mode="json")

    def prometheus(self) -> dict[str, Any]:
        self.looks += 1
        if self.broken:
            raise HTTPException(503)
        alerts = [{"labels": {"alertname": name}, "state": "firing"} for name in self.firing]
        return {"data": {"alerts": alerts}}

    def alertmanager(self) -> list[dict[str, Any]]:
        return [{"labels": {"alertname": name}, "status": {"state": "active"}} for name in self.paging]


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def url(stage):
    with listening(stage.app) as found:
        yield found


def until(condition) -> None:
    give_up = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_an_alarm_is_noted_at_its_first_sight_and_the_page_is_alertmanagers(stage, url):
    with Lookout(url, url, url) as lookout:
        until(lambda: lookout.drift is not None)
        assert lookout.seen == {}
        stage.severity, stage.firing = "critical", ["DriftCritical"]
        until(lambda: len(lookout.seen) == 2)
        assert set(lookout.seen) == {"service critical", "prometheus DriftCritical firing"}
        assert lookout.paged is False
        stage.paging = ["DriftCritical"]
        until(lambda: lookout.paged)
        first = lookout.seen
        looks = stage.looks
        until(lambda: stage.looks > looks + 1)
        assert lookout.seen == first
        assert PAGE in first


def test_another_alert_wakes_nobody(stage, url):
    stage.paging = ["ReviewQueueFlooded"]
    with Lookout(url, url, url) as lookout:
        until(lambda: lookout.seen)
        assert lookout.paged is False


def test_without_an_alertmanager_the_service_says_so_itself(stage, url):
    stage.severity = "critical"
    with Lookout(url) as lookout:
        until(lambda: lookout.paged)
        assert set(lookout.seen) == {"service critical"}


def test_a_place_that_is_away_ends_no_lookout(stage, url):
    stage.severity, stage.broken = "warning", True
    with Lookout(url, url) as lookout:
        until(lambda: stage.looks > 1)
        assert lookout.seen == {}
        stage.broken = False
        until(lambda: "service warning" in lookout.seen)
