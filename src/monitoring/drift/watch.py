"""The watch: takes photos one after the other, remembers the latest, and says whether something has changed.

It is a pure function of what it was given: a service that starts again gives it the latest photos anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from src.monitoring.drift.bank import CHARTS, CONTENT, INPUTS, Bank
from src.monitoring.drift.labels import Change, Harm, Labelled, LabelReader
from src.monitoring.drift.observed import Observed, observe
from src.monitoring.drift.reference import Reference
from src.monitoring.drift.schema import (
    ChangeState,
    Channel,
    ChartState,
    DriftReport,
    Finding,
    LabelState,
    ReferenceState,
    Severity,
    WindowState,
    share_of_limit,
)
from src.monitoring.drift.windows import WindowReader
from src.store.live import Answer, LiveRow

WINDOWS = (250, 500, 2000)
_LEAST = 50
"""Photos before which nothing is said."""
_CALM = 0.5
"""An alarm ends when its charts have stayed below this part of their limits ..."""
_CALM_PHOTOS = 250
"""... for so many photos."""
_MIX_P = 1e-4


@dataclass(slots=True)
class Alarm:
    """An alarm with hysteresis: over the limit it begins, and only long calm ends it.

    Attributes:
        charts: Which charts it listens to.
        on: It is raised.
        chart: Which chart raised it.
        photo: At which photo.
        began: Last photo at which the charts were calm before that.
        photos: Since it was raised.
    """

    charts: tuple[str, ...]
    on: bool = False
    chart: str = ""
    photo: Observed | None = None
    began: Observed | None = None
    photos: int = 0
    _calm: int = 0
    _last_calm: Observed | None = None

    def hear(self, photo: Observed, shares: dict[str, float]) -> None:
        """Take each chart's value as a share of its limit after one more photo."""
        loudest = max(self.charts, key=lambda name: shares[name])
        calm = shares[loudest] < _CALM
        if not self.on:
            if calm or self._last_calm is None:
                self._last_calm = photo
            if shares[loudest] > 1.0:
                self.on, self.chart, self.photo, self.began = True, loudest, photo, self._last_calm
                self.photos = self._calm = 0
            return
        self.photos += 1
        self._calm = self._calm + 1 if calm else 0
        if self._calm >= _CALM_PHOTOS:
            self.on, self._last_calm = False, photo


class Watch:
    """Watches one model's traffic.

    Args:
        reference: What it is compared with.
        windows: Numbers of latest photos that are described, ascending.
    """

    def __init__(self, reference: Reference, windows: Sequence[int] = WINDOWS) -> None:
        self._reference = reference
        self._sizes = tuple(windows)
        self._bank = Bank(1, reference.space)
        self._reader, self._labels = WindowReader(reference), LabelReader(reference)
        self._photos: OrderedDict[str, Observed] = OrderedDict()
        self._content, self._inputs = Alarm(CONTENT), Alarm((INPUTS,))
        self._values = dict.fromkeys(CHARTS, 0.0)
        self.seen = self.skipped = 0

    @property
    def first_id(self) -> str | None:
        """Id of the oldest photo that is remembered."""
        return next(iter(self._photos.values())).id if self._photos else None

    def add(self, rows: Sequence[LiveRow]) -> None:
        """Take the next photos; one that is among the remembered, sent again, is no news."""
        fresh: dict[str, LiveRow] = {}
        for row in rows:
            if row.sha256 not in self._photos:
                fresh.setdefault(row.sha256, row)
        photos, features = observe(list(fresh.values()), self._reference)
        hashes = {row.id: row.sha256 for row in fresh.values()}
        self.skipped += len(rows) - len(photos)
        self.seen += len(photos)
        limits = self._reference.facts.limits
        for place, photo in enumerate(photos):
            values = self._bank.step(features[slice(place, place + 1)])[:, 0]
            self._values = dict(zip(CHARTS, values.tolist(), strict=True))
            shares = {name: share_of_limit(value, limits[name]) for name, value in self._values.items()}
            self._content.hear(photo, shares)
            self._inputs.hear(photo, shares)
            self._photos[hashes[photo.id]] = photo
        while len(self._photos) > self._sizes[-1]:
            self._photos.popitem(last=False)

    def report(self, answers: Sequence[Answer], moment: datetime) -> DriftReport:
        """Say how things are.

        Args:
            answers: People's last words, in the order they were said.
            moment: Now.
        """
        photos = list(self._photos.values())
        by_id = {photo.id: photo for photo in photos}
        labelled = [
            Labelled(by_id[item.prediction_id], item.fake, item.created_at)
            for item in answers
            if item.prediction_id in by_id
        ]
        facts = self._reference.facts
        base = DriftReport(
            status="waiting" if self.seen < _LEAST else "watching",
            model_version=facts.model_version,
            computed_at=moment,
            photos_seen=self.seen,
            photos_skipped=self.skipped,
            reference=ReferenceState(
                photos=len(self._reference),
                model_version=facts.model_version,
                origin=facts.origin,
                photos_between_alarms=facts.photos_between_alarms,
            ),
        )
        if self.seen < _LEAST:
            return base
        sizes = [size for size in self._sizes if size < len(photos)]
        if len(sizes) < len(self._sizes):
            sizes.append(len(photos))
        windows = tuple(self._reader.read(photos[-size:]) for size in sizes)
        labels = self._labels.read(labelled)
        change = self._change(labelled)
        channels = self._channels(windows, labels)
        severity, finding = _conclude(channels, "unknown" if change is None else change.harm)
        return base.model_copy(
            update={
                "severity": severity,
                "finding": finding,
                "channels": channels,
                "reasons": _reasons(finding, channels, self._content.chart),
                "charts": tuple(self._chart(name) for name in CHARTS),
                "change": None if change is None else self._change_state(change),
                "windows": windows,
                "labels": labels,
            }
        )

    def _chart(self, name: str) -> ChartState:
        value, limit = self._values[name], self._reference.facts.limits[name]
        return ChartState(name=name, value=round(value, 3), limit=round(limit, 3), over=value > limit)

    @property
    def _raised(self) -> Alarm | None:
        return next((alarm for alarm in (self._content, self._inputs) if alarm.on), None)

    def _change(self, labelled: Sequence[Labelled]) -> Change | None:
        alarm = self._raised
        if alarm is None or alarm.began is None:
            return None
        return self._labels.since(labelled, alarm.began.id)

    def _change_state(self, change: Change) -> ChangeState | None:
        alarm = self._raised
        if alarm is None or alarm.photo is None or alarm.began is None:
            return None
        return ChangeState(
            alarmed_at=alarm.photo.at,
            alarmed_id=alarm.photo.id,
            chart=alarm.chart,
            photos_since=alarm.photos,
            began_about=alarm.began.at,
            labelled=change.labelled,
            labelled_unprompted=change.unprompted,
            errors=change.errors,
            errors_expected=round(change.expected, 2),
        )

    def _channels(self, windows: Sequence[WindowState], labels: LabelState) -> tuple[Channel, ...]:
        states: dict[Channel, bool] = {
            "content": self._content.on,
            "inputs": self._inputs.on,
            "labels": labels.cusum > labels.cusum_limit,
            "mix": windows[-1].judged_fake_p < _MIX_P,
        }
        return tuple(channel for channel, on in states.items() if on)


def _conclude(channels: Sequence[Channel], harm: Harm) -> tuple[Severity, Finding]:
    """What follows from the channels in alarm and from the labels since the change."""
    if "labels" in channels or harm == "harmful":
        return "critical", "harmful"
    if harm == "harmless":
        return "info", "harmless"
    if "content" in channels:
        return "warning", "changed"
    if "inputs" in channels:
        return "info", "inputs_changed"
    if "mix" in channels:
        return "info", "mix_changed"
    return "none", "stable"


def _reasons(finding: Finding, channels: Sequence[Channel], chart: str) -> tuple[str, ...]:
    """What a person should know, in words."""
    texts: dict[Channel, str] = {
        "content": f"photos look unlike the reference ({chart})",
        "inputs": "files are unlike the reference's: size, format or quality",
        "labels": "people's labels show more errors than the reference's photos with such scores",
        "mix": "the mix of verdicts is not the reference's; by itself that is no drift of the model",
    }
    ends: dict[Finding, str] = {
        "changed": "too few labels since the change to say whether it harms",
        "harmful": "labels say that it harms",
        "harmless": "labels since the change show no more errors than before",
        "inputs_changed": "such a change is harmless as a rule; labels would tell",
    }
    reasons = [texts[channel] for channel in channels]
    return (*reasons, ends[finding]) if finding in ends else tuple(reasons)
