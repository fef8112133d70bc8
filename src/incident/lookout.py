"""Notes when alarms begin: the service's drift report, Prometheus, Alertmanager, each as it says itself."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import httpx
import structlog

from src.client import ApiError, DetectorClient
from src.monitoring.drift.schema import DriftReport

log = structlog.get_logger(__name__)

PAGE = "alertmanager DriftCritical active"
_EVERY_S = 0.5


class Lookout:
    """Looks twice a second while a block runs.

    Args:
        service: Its base URL.
        prometheus: Its base URL; empty where there is none.
        alertmanager: Its base URL; empty where there is none.
    """

    def __init__(self, service: str, prometheus: str = "", alertmanager: str = "") -> None:
        self._service, self._prometheus, self._alertmanager = service, prometheus, alertmanager
        self._seen: dict[str, datetime] = {}
        self._drift: DriftReport | None = None
        self._first_change: dict[str, Any] | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Lookout:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    @property
    def seen(self) -> dict[str, datetime]:
        """First time of each alarm."""
        with self._lock:
            return dict(self._seen)

    @property
    def drift(self) -> DriftReport | None:
        """The last report of the service."""
        with self._lock:
            return self._drift

    @property
    def first_change(self) -> dict[str, Any] | None:
        """The first change that the service reported, as it said it then."""
        with self._lock:
            return self._first_change

    @property
    def paged(self) -> bool:
        """Whether somebody was woken; without Alertmanager, whether the service says that it would be."""
        return (PAGE if self._alertmanager else "service critical") in self.seen

    def _run(self) -> None:
        with httpx.Client(timeout=5, trust_env=False) as http, DetectorClient(self._service) as client:
            while not self._stop.is_set():
                try:
                    self._look(client, http)
                except (ApiError, httpx.HTTPError) as error:
                    log.warning("look_failed", reason=type(error).__name__)
                self._stop.wait(_EVERY_S)

    def _look(self, client: DetectorClient, http: httpx.Client) -> None:
        drift = DriftReport.model_validate(client.drift().model_dump())
        names = []
        if drift.severity in {"warning", "critical"}:
            names.append(f"service {drift.severity}")
        change = drift.change.model_dump(mode="json") if drift.change is not None else None
        if change is not None:
            names.append("service change")
        if self._prometheus:
            alerts = http.get(f"{self._prometheus}/api/v1/alerts").raise_for_status().json()["data"]["alerts"]
            names += [f"prometheus {each['labels']['alertname']} {each['state']}" for each in alerts]
        if self._alertmanager:
            alerts = http.get(f"{self._alertmanager}/api/v2/alerts").raise_for_status().json()
            names += [
                f"alertmanager {each['labels']['alertname']} {each['status']['state']}" for each in alerts
            ]
        now = datetime.now(UTC)
        with self._lock:
            self._drift = drift
            if self._first_change is None:
                self._first_change = change
            for name in names:
                if name not in self._seen:
                    self._seen[name] = now
                    log.info("alarm", what=name)
