"""The monitoring page: figures of the service, what is worth an alert, and what is closed to this key."""

from __future__ import annotations

import math

import pytest

from src.client import ApiError, ApiUnreachable
from src.ui.figures import quantile, read_figures
from src.ui.strings import monitoring as text
from tests.ui.conftest import words
from tests.ui.fakes import METRICS


def tiles(page) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


def test_figures_are_read_from_the_page_of_metrics() -> None:
    found = read_figures(METRICS)
    assert (found.asked, found.refused, found.failed) == (10, 2, 0)
    assert (found.judged, found.fakes, found.review) == (8, 2, 1)
    assert found.problems == {"unsupported_format": 2}
    assert found.store_up is True
    assert found.median_s == pytest.approx(0.05)
    assert found.p95_s == pytest.approx(0.095)


def test_an_empty_page_has_no_figures_and_no_error() -> None:
    found = read_figures("")
    assert (found.asked, found.judged, found.median_s, found.store_up) == (0, 0, None, None)


@pytest.mark.parametrize(
    ("buckets", "share", "value"),
    [
        ({0.1: 0, 0.2: 10, math.inf: 10}, 0.5, 0.15),
        ({0.1: 10, math.inf: 20}, 0.95, 0.1),
        ({math.inf: 0}, 0.5, None),
        ({}, 0.5, None),
    ],
)
def test_quantiles_are_those_of_prometheus(buckets, share, value) -> None:
    assert quantile(buckets, share) == (None if value is None else pytest.approx(value))


def test_state_and_figures_are_shown(opened) -> None:
    page = opened("monitoring")
    assert not page.exception
    shown = tiles(page)
    assert shown[text.TILES["state"]] == "ready"
    assert shown[text.TILES["uptime"]] == "1 h 1 min"
    assert shown[text.TILES["verdicts"]] == "8"
    assert shown[text.TILES["fakes"]] == "25 %"
    assert text.ALL_WELL in words(page)
    assert text.DRIFT_MISSING in words(page)
    assert text.NO_LINKS in words(page)


def test_a_service_that_is_not_ready_is_an_alert(opened, service) -> None:
    service.status = "failed"
    assert text.ALERTS["not_ready"] in words(opened("monitoring"))


def test_drift_is_told_with_its_reasons_and_as_an_alert(opened, service) -> None:
    service.watch = {
        "status": "watching",
        "severity": "critical",
        "finding": "harmful",
        "reasons": ["share of *far* photos"],
        "photos_seen": 512,
        "charts": [{"name": "far", "value": 1.5, "limit": 1.2, "over": True}],
    }
    page = opened("monitoring")
    said = words(page)
    assert text.ALERTS["drift"].format(finding=text.FINDING["harmful"]) in said
    assert "512" in said
    assert "share of \\*far\\* photos" in said
    assert page.dataframe[-1].value[text.DRIFT_CHART["limit"]].tolist() == [1.2]


def test_metrics_that_are_closed_to_the_key_leave_the_rest(opened, service) -> None:
    service.fails["metrics"] = ApiError("forbidden", 403, "x")
    page = opened("monitoring")
    assert text.METRICS_CLOSED in words(page)
    assert tiles(page)[text.TILES["state"]] == "ready"


def test_a_service_that_is_down_is_told(opened, service) -> None:
    service.fails["health"] = ApiUnreachable("x")
    assert "does not answer" in words(opened("monitoring"))


def test_links_are_those_of_the_settings(opened, settings) -> None:
    settings(grafana_url="https://dash.example")
    page = opened("monitoring")
    assert text.NO_LINKS not in words(page)
    assert [link.proto.url for link in page.link_button] == ["https://dash.example"]
