"""What the watch says, as `GET /drift` and the report show it."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Severity = Literal["none", "info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("none", "info", "warning", "critical")
Status = Literal["no_reference", "no_store", "waiting", "watching", "store_away"]
Channel = Literal["content", "inputs", "labels", "mix"]
Finding = Literal["stable", "changed", "harmful", "harmless", "inputs_changed", "mix_changed"]


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Share(_Said):
    """A share with its 95 % Wilson interval."""

    value: float
    low: float
    high: float


def share_of_limit(value: float, limit: float) -> float:
    """A chart's value as a share of its limit; a limit of 0 (nothing ever varied) is kept by 0 alone."""
    if limit > 0:
        return value / limit
    return 0.0 if value <= 0 else math.inf


class ChartState(_Said):
    """One chart that may raise the alarm."""

    name: str = Field(description="embedding_fast, embedding_slow or far.")
    value: float
    limit: float = Field(description="Simulated: see `photos_between_alarms` of the reference.")
    over: bool


class WindowState(_Said):
    """The latest photos beside the reference; these figures explain, the charts decide."""

    photos: int
    logit_ks: float = Field(
        description="Kolmogorov-Smirnov distance of logits within each verdict, the larger."
    )
    logit_ks_p: float = Field(description="Its p-value, for two comparisons.")
    logit_psi: float = Field(description="PSI of all logits; it also moves with the mix of verdicts.")
    embedding_mmd: float = Field(description="Unbiased squared MMD within each verdict, weighted by photos.")
    far: Share = Field(description="Photos farther from the reference than its 99 % quantile.")
    judged_fake: Share = Field(description="Verdicts `ai_generated`.")
    judged_fake_p: float = Field(description="Against the reference's share; a moving mix is no drift.")
    review: Share = Field(description="Photos in the review band of the policy they were judged by.")
    review_p: float = Field(description="Against the reference's share at the same mix of verdicts.")
    inputs_psi: dict[str, float] = Field(description="PSI of file facts: format, long_side, quality, bytes.")
    sources: int = Field(description="API keys that sent photos; 0 without keys.")
    largest_source: float = Field(description="Largest share of one API key.")


class LabelState(_Said):
    """What people's feedback says, on predictions of the longest window."""

    labelled: int
    precision: Share
    recall: Share
    errors: int
    errors_expected: float = Field(description="Of as many photos with such verdicts, in the reference.")
    cusum: float = Field(description="Risk-adjusted CUSUM over the labels in the order they came.")
    cusum_limit: float


class ChangeState(_Said):
    """The change that is alarmed."""

    alarmed_at: datetime
    alarmed_id: str
    chart: str
    photos_since: int
    began_about: datetime = Field(description="Last photo at which the chart was at rest: an estimate.")
    labelled: int = Field(description="Labels on photos since then.")
    labelled_unprompted: int = Field(description="Of these, on photos that nobody was asked to review.")
    errors: int
    errors_expected: float


class ReferenceState(_Said):
    """The reference in use."""

    photos: int
    model_version: str
    origin: str
    photos_between_alarms: float


class DriftReport(_Said):
    """Has the traffic changed, how sure is that, and does it harm?"""

    status: Status
    severity: Severity = "none"
    finding: Finding = "stable"
    channels: tuple[Channel, ...] = Field(default=(), description="Which channels are in alarm.")
    reasons: tuple[str, ...] = ()
    model_version: str | None = None
    computed_at: datetime | None = None
    took_ms: float = 0.0
    photos_seen: int = 0
    photos_skipped: int = Field(default=0, description="Sent again, or kept without an embedding.")
    reference: ReferenceState | None = None
    charts: tuple[ChartState, ...] = ()
    change: ChangeState | None = None
    windows: tuple[WindowState, ...] = ()
    labels: LabelState | None = None
