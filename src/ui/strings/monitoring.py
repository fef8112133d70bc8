"""Words of the monitoring page."""

from __future__ import annotations

MONITORING_TITLE = "Monitoring"
MONITORING_LEAD = "What the service says of itself, now and since it started."
REFRESH = "Refresh every 5 s"
TILES = {
    "state": "State",
    "model": "Model",
    "uptime": "Up for",
    "verdicts": "Verdicts",
    "fakes": "Called AI-generated",
    "review": "Sent to review",
    "refused": "Photos refused",
    "errors": "Errors of the service",
    "median": "Median time",
    "p95": "95 % within",
    "queue": "In work",
    "store": "Store",
}
STORE_STATES = {True: "up", False: "away"}
STATE_WORDS = {
    "ok": "ready",
    "starting": "starting",
    "failed": "failed",
    "draining": "going down",
    "stopping": "going down",
}
TRAFFIC = "Traffic"
TRAFFIC_LINE = "Requests per second, since this page was opened"
TRAFFIC_WAIT = "The line begins after three looks, five seconds apart."
VERDICT_CHART = "Verdicts by policy"
PROBLEMS = "Refusals and errors by code"
NO_PROBLEMS = "None since the service started."
NO_VERDICTS = "No verdict since the service started."
METRICS_CLOSED = (
    "The figures of traffic are closed to this page's key: they need the scope `admin`, or "
    "`DETECTOR_METRICS_OPEN=true`."
)
DRIFT = "Drift"
DRIFT_MISSING = "This service does not watch for drift."
DRIFT_STATUS = {
    "no_reference": "The model brought no reference, so there is nothing to compare with.",
    "no_store": "The service keeps no predictions, so there is nothing to watch.",
    "waiting": "Too few photos so far to say anything.",
    "watching": "Watching {photos} photos.",
    "store_away": "The store is away; the watch waits.",
}
SEVERITY = {"none": "no alarm", "info": "noticed", "warning": "warning", "critical": "critical"}
FINDING = {
    "stable": "Photos look like those that the model was made with.",
    "changed": "Photos have changed; whether that harms is not known yet.",
    "harmful": "Photos have changed, and the verdicts got worse.",
    "harmless": "Photos have changed, and the verdicts are as good as before.",
    "inputs_changed": (
        "Files are of another kind – format, size or quality – and the pictures are the same."
    ),
    "mix_changed": "The mix of real and AI-generated pictures has moved.",
}
DRIFT_CHART = {"name": "Chart", "value": "Value", "limit": "Alarm at", "over": "Over"}
LINKS = "More"
LINK_GRAFANA = "Dashboards (Grafana)"
LINK_MLFLOW = "Model versions (MLflow)"
LINK_ALERTS = "Alerts (Alertmanager)"
NO_LINKS = (
    "No links: `DETECTOR_UI_GRAFANA_URL`, `DETECTOR_UI_MLFLOW_URL` and "
    "`DETECTOR_UI_ALERTMANAGER_URL` are not set."
)
ALERTS = {
    "not_ready": "The service is not ready for photos.",
    "store_away": "The store is away: verdicts are answered and wait in the spool.",
    "lost": "{count} predictions were lost.",
    "drift": "Drift: {finding}",
}
ALL_WELL = "Nothing to worry about."
METRICS_UNREAD = "The page of metrics cannot be read."
CODE = "Code"
COUNT = "Count"
SECONDS = "Seconds since this page was opened"
