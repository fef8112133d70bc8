"""What `detector retrain` is asked to do, and what it says came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from src.evaluation.gates import GateLimits, GateResult
from src.incident.full import FullPlan
from src.incident.screening import ScreeningRules


class Kept(Protocol):
    """Where photos are kept; `src.store.images` has them."""

    def get(self, prediction_id: str) -> bytes | None:
        """Return a photo's bytes as they came, unless it was not kept or has expired."""
        ...


@dataclass(frozen=True, slots=True)
class RetrainPlan:
    """What to do with feedback.

    Attributes:
        store_url: Where it is.
        out: Folder for everything that is made.
        since: Labels without a word after this moment are left; the champion's registration, less the
            quarantine, by default: what was too young then is not now.
        head_only: Refit the head instead of training; needs splits that keep some shops out of all training.
        promote: Make the challenger champion if it passes every gate.
        least: Labels below which nothing is learnt.
        known: Most photos of `val` that a refit and the screening hold labels against.
        judged: Most photos of each data set that a refit is judged on; None takes all.
        manifest: Of the known photos.
        splits: That the champion was trained by.
        raw: Where the photos lie.
        validation: Of `make validate`.
        limits: Of the gates.
        rules: Of the screening.
        full: Of a training.
    """

    store_url: str
    out: Path = Path("outputs/retrain")
    since: datetime | None = None
    head_only: bool = False
    promote: bool = False
    least: int = 20
    known: int = 1500
    judged: int | None = None
    manifest: Path = Path("data/manifest.csv")
    splits: Path = Path("data/processed/splits.csv")
    raw: Path = Path("data/raw")
    validation: Path = Path("reports/data/validation.json")
    limits: GateLimits = field(default_factory=GateLimits)
    rules: ScreeningRules = field(default_factory=ScreeningRules)
    full: FullPlan = field(default_factory=FullPlan)


class RetrainResult(BaseModel):
    """What came of it.

    Attributes:
        outcome: `too_few_labels`: nothing was learnt. `challenger`: registered, and not champion.
            `refused`: it was to be promoted, and missed gates, or the champion changed meanwhile.
            `promoted`: it is champion.
        refusal: Why it was refused.
        labels: Photos that people judged in this time.
        taken: Of these, learnt from.
        left_out: Number of the others by reason.
        agreement: Among people who judged the same photo.
        version: Of the challenger, in the registry.
        model_version: By its card.
        gates: As they were held.
        drift_reference: Its file, or why there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    outcome: Literal["too_few_labels", "challenger", "refused", "promoted"]
    refusal: str = ""
    champion: int
    since: datetime | None
    labels: int
    taken: int
    left_out: dict[str, int]
    agreement: float | None
    version: int | None = None
    model_version: str | None = None
    gates: tuple[GateResult, ...] = ()
    drift_reference: str = ""
