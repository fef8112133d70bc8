"""What a rehearsal does, as one typed object; it is kept in the record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from src.monitoring.drift.bank import Simulation

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]


class RehearsalPlan(BaseModel):
    """One rehearsal.

    Attributes:
        family: The family of generators that nobody knows at first.
        form: Real photos, or drawn ones.
        calm: Photos before the first new one.
        rising: Share of the new family, and photos sent at it, stage by stage.
        pause_s: Between two photos of one sender; labels, charts and alerts need their time, too.
        patience: Photos sent, at leisure, at the last share while nobody was paged yet.
        after: Photos sent after each step of the response.
        after_share: Share of the new family in them.
        chance: Share of answers that reviewers judge unasked.
        prompted: Share that they judge of those the service asks to be looked at.
        labels_refit: Most photos whose labels the refit learns.
        labels_retrain: Most photos of the incident that reviewers have judged when the training begins.
        shortcut_photos: Photos of the shortcut check.
        replicates: Bootstrap draws of every interval.
        quick_reference: Find the drift reference's limits by a short simulation.
        poll_s: Seconds between two looks of the service at the registry, and at its traffic.
        minutes: Longest that one stage may take.
        seed: Of every draw.
        limit: Known photos, at most; all without it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str
    form: Literal["real", "procedural"] = "real"
    calm: Count = 250
    rising: tuple[tuple[Share, Count], ...] = ((0.05, 120), (0.10, 120), (0.25, 120), (0.50, 120))
    pause_s: Annotated[float, Field(ge=0)] = 0.2
    patience: Count = 400
    after: Count = 150
    after_share: Share = 0.25
    chance: Share = 0.20
    prompted: Share = 0.40
    labels_refit: Annotated[int, Field(ge=10, le=100)] = 100
    labels_retrain: Count = 400
    shortcut_photos: Count = 160
    replicates: Annotated[int, Field(ge=0)] = 200
    quick_reference: bool = False
    poll_s: Annotated[float, Field(gt=0)] = 1.0
    minutes: Annotated[float, Field(gt=0)] = 15.0
    seed: int = 0
    limit: int | None = None

    @property
    def simulation(self) -> Simulation:
        """How the limits of drift references are found."""
        if self.quick_reference:
            return Simulation(photos_between_alarms=1e6, replicates=3, streams=12, photos=1500)
        return Simulation()


class Places(BaseModel):
    """Where a rehearsal finds things and leaves them.

    Attributes:
        work: Everything that is made on the way.
        raw: Photos.
        validation: Report of `make validate`.
        limits: Of the gates.
        champion: A network that was trained before; None trains one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    work: Path
    raw: Path
    validation: Path = Path("reports/data/validation.json")
    limits: Path = Path("configs/gates.yaml")
    champion: Path | None = None

    @property
    def live(self) -> Path:
        """Store, registry, servers' files: made anew by each rehearsal; networks and what they saw stay."""
        return self.work / "live"

    @property
    def seen(self) -> Path:
        """What networks saw."""
        return self.work / "seen"
