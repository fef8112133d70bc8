"""What is asked of a scan, and what it found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from src.scan.prevalence import Prevalence

if TYPE_CHECKING:
    from src.inference.session import Device


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is asked for.

    Attributes:
        source: As for `list_source`.
        dest: Folder, or an address that fsspec knows.
        policy: Of the model card; its default by default.
        column: As for `list_source`.
        shard_size: Photos of a shard: what is lost when a worker dies, and rows of one file; by default 256,
            or fewer where a catalogue is so small that not all workers would have something to do.
        sample: Photos to draw by chance; all by default.
        seed: Of the draw.
        engine: `local`: processes of this machine. `ray`: actors of a Ray cluster.
        address: Of the cluster; one on this machine by default.
        workers: Processes or actors; one a core by default.
        price: Of one core for an hour.
        device: What computes.
        retry_errors: Ask again for photos that could not be read; what was judged stays.
    """

    source: str
    dest: str
    policy: str | None = None
    column: str | None = None
    shard_size: int | None = None
    sample: int | None = None
    seed: int = 0
    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    workers: int | None = None
    price: float | None = None
    device: Device = "cpu"
    retry_errors: bool = False


@dataclass(frozen=True)
class Summary:
    """What a scan found.

    Attributes:
        dest: Address of the destination.
        model_version: Whose verdicts these are.
        policy: Likewise.
        device: What computed.
        population: Photos of the source.
        sample: How many of them were drawn; none for all.
        rows: In the destination, for this model; each input has one.
        ai_generated: Of them.
        real: Of them.
        needs_review: Of them.
        errors: Rows without a verdict, by code.
        unread: Of them: photos that could not be read, and may be asked for again.
        prevalence: Estimate of the share that is AI-generated; None without error rates of this model.
        resumed: Rows that were there before.
        workers: That judged the others.
        seconds: That this took.
        photos_per_s: In these seconds.
        cost: Of the cores in these seconds; None without a price.
    """

    dest: str
    model_version: str
    policy: str
    device: str
    population: int
    sample: int | None
    rows: int
    ai_generated: int
    real: int
    needs_review: int
    errors: dict[str, int]
    unread: int
    prevalence: Prevalence | None
    resumed: int
    workers: int
    seconds: float
    photos_per_s: float
    cost: float | None

    def to_json(self) -> dict[str, Any]:
        """As a plain object."""
        return asdict(self)
