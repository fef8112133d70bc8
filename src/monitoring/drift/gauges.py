"""What the watch says, as Prometheus gauges of few series: no id, key or file name is a label."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from src.monitoring.drift.schema import DriftReport, share_of_limit

_LEVELS = {"none": 0, "info": 0, "warning": 1, "critical": 2}
CHANNELS = ("content", "inputs", "labels", "mix")


class DriftMetrics:
    """Gauges of one app, in the registry of its other metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"detector_drift_{name}", text, labels, registry=registry)

        self._severity = gauge("severity", "0 nothing that asks for action, 1 warning, 2 critical")
        self._alarm = gauge("alarm", "Whether a channel says that something has changed", "channel")
        self._statistic = gauge(
            "statistic", "Charts as shares of their limits, figures of the longest window", "test"
        )
        self._photos = gauge("window_photos", "Photos in the longest window")
        self._seen = gauge("photos_seen", "Photos that the charts have taken since the watch began")
        self._reference = gauge("reference", "Whether there is a reference to compare with")
        self._computed = gauge("computed_timestamp_seconds", "When the watch last looked, in Unix time")
        self._labelled = gauge("labelled", "Photos of the longest window that people have judged")
        self._errors = gauge("label_errors", "Of these, errors of the model")
        self._expected = gauge("label_errors_expected", "Errors of the reference on photos with such scores")
        for channel in CHANNELS:
            self._alarm.labels(channel).set(0)

    def show(self, report: DriftReport) -> None:
        """Show a report."""
        self._reference.set(report.reference is not None)
        self._severity.set(_LEVELS[report.severity])
        self._seen.set(report.photos_seen)
        if report.computed_at is not None:
            self._computed.set(report.computed_at.timestamp())
        for channel, on in alarms(report).items():
            self._alarm.labels(channel).set(on)
        for name, value in statistics(report).items():
            self._statistic.labels(name).set(value)
        self._photos.set(report.windows[-1].photos if report.windows else 0)
        labels = report.labels
        self._labelled.set(0 if labels is None else labels.labelled)
        self._errors.set(0 if labels is None else labels.errors)
        self._expected.set(0.0 if labels is None else labels.errors_expected)


def alarms(report: DriftReport) -> dict[str, bool]:
    """Whether each channel is in alarm."""
    return {channel: channel in report.channels for channel in CHANNELS}


def statistics(report: DriftReport) -> dict[str, float]:
    """Figures by the name of their test."""
    found = {chart.name: share_of_limit(chart.value, chart.limit) for chart in report.charts}
    if report.windows:
        window = report.windows[-1]
        found |= {
            "logit_ks": window.logit_ks,
            "logit_psi": window.logit_psi,
            "embedding_mmd": window.embedding_mmd,
            "far_share": window.far.value,
            "judged_fake_share": window.judged_fake.value,
            "review_share": window.review.value,
            "inputs_psi": max(window.inputs_psi.values()),
        }
    labels = report.labels
    if labels is not None and labels.labelled:
        found |= {
            "precision": labels.precision.value,
            "recall": labels.recall.value,
            "label_cusum": share_of_limit(labels.cusum, labels.cusum_limit),
        }
    return found
