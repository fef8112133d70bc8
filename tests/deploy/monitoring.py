"""Reads the monitoring files as data: rules, dashboards and the metrics that their queries name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).parents[2]
PROMETHEUS = REPO / "deploy" / "prometheus"
DASHBOARDS = REPO / "deploy" / "grafana" / "dashboards"
RUNBOOKS = REPO / "docs" / "runbooks"

_SERIES = re.compile(r"\b((?:detector|process)[a-z0-9_:]*|up|ALERTS)\b(?!\()")


def rules() -> list[dict[str, Any]]:
    """Every rule of every file, recording and alerting."""
    files = sorted((PROMETHEUS / "rules").glob("*.yml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """Alerting rules by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def dashboards() -> dict[str, dict[str, Any]]:
    """Dashboards by file name."""
    return {path.name: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def panel_queries() -> Iterator[tuple[str, str]]:
    """Where a query stands, as `file: panel`, and the query with Grafana's variables filled in."""
    for name, board in dashboards().items():
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield f"{name}: {panel['title']}", target["expr"].replace("$__rate_interval", "1m")


def series_in(query: str) -> set[str]:
    """Names of the series that a query reads; text in quotes is none."""
    return set(_SERIES.findall(re.sub(r'"[^"]*"', '""', query)))
