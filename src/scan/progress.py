"""How far a scan is: photos a second, when it will end, what it costs; a bar for people, a line for logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from src.scan.messages import At, Done
from src.scan.rows import Tally

_LOG_S = 30.0
_SECONDS_OF_HOUR = 3600.0

_log = structlog.get_logger(__name__)


@dataclass
class Meter:
    """Counts photos; told by `At` and `Done`.

    Attributes:
        total: Photos to judge now, without those that have a row from before.
        workers: That judge them.
        price: Of one core for an hour; none where nobody asked.
        clock: Seconds, of any origin.
    """

    total: int
    workers: int
    price: float | None = None
    clock: Callable[[], float] = monotonic
    tally: Tally = field(default_factory=Tally)
    started: float = field(init=False)
    _parts: dict[int, int] = field(default_factory=dict)
    _kept: int = 0

    def __post_init__(self) -> None:
        self.started = self.clock()

    def hear(self, message: At | Done) -> None:
        """Count what a worker tells."""
        if isinstance(message, At):
            self._parts[message.shard] = message.index - message.kept
        else:
            self._parts.pop(message.shard, None)
            self.tally.add(message.tally)
            self._kept += message.kept

    @property
    def done(self) -> int:
        """Photos judged, those of unfinished shards too."""
        return self.tally.rows - self._kept + sum(self._parts.values())

    @property
    def seconds(self) -> float:
        """Since the start."""
        return self.clock() - self.started

    @property
    def rate(self) -> float:
        """Photos a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds until the end; None while nobody can know."""
        return (self.total - self.done) / self.rate if self.rate else None

    @property
    def cost(self) -> float | None:
        """Of the cores so far."""
        return None if self.price is None else self._cost_of(self.seconds)

    @property
    def final_cost(self) -> float | None:
        """Of the cores until the end, if it goes on like this."""
        if self.price is None or self.eta_s is None:
            return None
        return self._cost_of(self.seconds + self.eta_s)

    def _cost_of(self, seconds: float) -> float:
        return (self.price or 0.0) * self.workers * seconds / _SECONDS_OF_HOUR

    def words(self) -> str:
        """Speed, end and cost for people."""
        parts = [f"{self.rate:.1f} photos/s"]
        if self.eta_s is not None:
            minutes, seconds = divmod(round(self.eta_s), 60)
            parts.append(f"{minutes // 60}:{minutes % 60:02}:{seconds:02} left")
        if self.final_cost is not None:
            parts.append(f"costs {self.final_cost:.2f} in all")
        if self.tally.errors:
            parts.append(f"{self.tally.errors.total()} without verdict")
        return ", ".join(parts)


@contextmanager
def shown(meter: Meter) -> Iterator[Callable[[At | Done], None]]:
    """Show a meter while the block runs; what is yielded is to be told of everything."""
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    logged = meter.started
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=meter.total)

        def listen(message: At | Done) -> None:
            nonlocal logged
            meter.hear(message)
            bar.update(task, completed=meter.done, description=meter.words())
            if not console.is_terminal and meter.clock() - logged >= _LOG_S:
                logged = meter.clock()
                _log.info(
                    "scan_progress",
                    done=meter.done,
                    total=meter.total,
                    photos_per_s=round(meter.rate, 1),
                    eta_s=None if meter.eta_s is None else round(meter.eta_s),
                    cost=meter.cost,
                )

        yield listen
