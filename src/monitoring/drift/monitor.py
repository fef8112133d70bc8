"""The job: every few seconds new predictions are read from the store and judged, beside the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import structlog

from src.monitoring.drift.gauges import DriftMetrics
from src.monitoring.drift.reference import Reference, content_hash
from src.monitoring.drift.schema import DriftReport, Status
from src.monitoring.drift.watch import WINDOWS, Watch
from src.store.records import now
from src.utils.errors import ModelError, StoreError
from src.utils.model_card import ModelCard

if TYPE_CHECKING:
    from src.store.live import Answer, LiveRow
    from src.store.store import Store

SUFFIX = ".reference.npz"
_CHUNK = 250
"""Photos in one step: tens of milliseconds of one core, then others may run."""
_PAGE = 500
_STEPS = 8
"""Pages read in one look; what is left waits for the next."""
_OVERLAP_S = 10.0
"""Predictions that are written later than younger ones are still found so long after."""

_log = structlog.get_logger()


def find_reference(card: ModelCard, folders: Sequence[Path]) -> Reference | None:
    """Find the reference that a model's card names, by its sha256; blocks.

    Returns:
        None when the card names none.

    Raises:
        ModelError: It names one that is in none of the folders, or that cannot be read.
    """
    if card.drift_reference is None:
        return None
    for folder in folders:
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            content = path.read_bytes()
            if content_hash(content) == card.drift_reference:
                return Reference.from_bytes(content)
    raise ModelError("the drift reference that the model's card names is not beside it")


@dataclass(slots=True, eq=False)
class _State:
    """The watch of one model, and how far it has read."""

    version: str
    watch: Watch
    read: deque[str]
    last_id: str | None = None


class DriftMonitor:
    """Follows the traffic of the model in service; lives on the event loop and never blocks it.

    Args:
        card: Tells the card of the model in service; None before there is one.
        store: Tells the store; None without one.
        folders: Where references lie.
        metrics: Gauges.
        every_s: Seconds between two looks.
        timeout_s: Longest one look may wait for the store.
    """

    def __init__(
        self,
        card: Callable[[], ModelCard | None],
        store: Callable[[], Store | None],
        folders: Sequence[Path],
        metrics: DriftMetrics,
        *,
        every_s: float,
        timeout_s: float,
    ) -> None:
        self._card, self._store = card, store
        self._folders = tuple(folders)
        self._metrics = metrics
        self._every_s, self._timeout_s = every_s, timeout_s
        self._state: _State | None = None
        self._looked_for: ModelCard | None = None
        self._report = DriftReport(status="waiting")
        self._looking = asyncio.Lock()

    @property
    def report(self) -> DriftReport:
        """What the last look found."""
        return self._report

    async def run(self) -> None:
        """Look again and again, until cancelled; a look that fails is logged, and the next one comes."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - photos are answered whatever happens to their watch
                _log.error("drift_look_failed", exc_info=error)
            await asyncio.sleep(self._every_s)

    async def look(self) -> DriftReport:
        """Read what is new and judge it."""
        async with self._looking:
            report = await self._look()
            before, self._report = self._report, report
            self._metrics.show(report)
            if (report.severity, report.finding) != (before.severity, before.finding):
                _tell(report, before)
            return report

    async def _look(self) -> DriftReport:
        start = perf_counter()
        card, store = self._card(), self._store()
        if card is None:
            return DriftReport(status="waiting", computed_at=now())
        await self._follow(card)
        state = self._state
        if state is None:
            return self._bare("no_reference", card)
        if store is None:
            return self._bare("no_store", card)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._read(state, store)
                answers: list[Answer] = []
                if state.watch.first_id is not None:
                    answers = await store.answers(state.version, state.watch.first_id)
        except (StoreError, TimeoutError) as error:
            _log.warning("drift_store_away", reason=type(error).__name__)
            # What was known stays known: an outage is no reason for an alarm to end.
            return self._report.model_copy(update={"status": "store_away"})
        report = await asyncio.to_thread(state.watch.report, answers, now())
        return report.model_copy(update={"took_ms": round((perf_counter() - start) * 1000.0, 1)})

    async def _follow(self, card: ModelCard) -> None:
        """Begin anew when another model is in service."""
        if card == self._looked_for:
            return
        self._looked_for, self._state = card, None
        try:
            self._state = await asyncio.to_thread(self._begin, card)
        except (ModelError, OSError) as error:
            _log.error("drift_reference_unusable", version=card.version, reason=str(error))
            return
        _log.info("drift_watch_began", version=card.version, reference=self._state is not None)

    def _begin(self, card: ModelCard) -> _State | None:
        reference = find_reference(card, self._folders)
        if reference is None:
            return None
        return _State(card.version, Watch(reference), deque(maxlen=4 * WINDOWS[-1]))

    async def _read(self, state: _State, store: Store) -> None:
        if state.last_id is None:
            rows = await store.live_rows(state.version, None, WINDOWS[-1])
            await self._take(state, rows)
            return
        cursor = _earlier(state.last_id)
        for _ in range(_STEPS):
            rows = await store.live_rows(state.version, cursor, _PAGE)
            known = set(state.read)
            await self._take(state, [row for row in rows if row.id not in known])
            if len(rows) < _PAGE:
                return
            cursor = rows[-1].id

    @staticmethod
    async def _take(state: _State, rows: Sequence[LiveRow]) -> None:
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            await asyncio.to_thread(state.watch.add, part)
            state.read.extend(row.id for row in part)
            state.last_id = max(state.last_id or "", part[-1].id)

    def _bare(self, status: Status, card: ModelCard) -> DriftReport:
        return DriftReport(status=status, model_version=card.version, computed_at=now())


def _earlier(last_id: str) -> str:
    """The lowest id of a moment a little before; an id begins with its milliseconds (RFC 9562)."""
    moment = int(last_id[:12], 16) - int(_OVERLAP_S * 1000)
    return f"{max(0, moment):012x}{'0' * 20}"


def _tell(report: DriftReport, before: DriftReport) -> None:
    level = {"critical": _log.critical, "warning": _log.warning}.get(report.severity, _log.info)
    level(
        "drift_changed",
        severity=report.severity,
        finding=report.finding,
        was=before.finding,
        channels=list(report.channels),
        model_version=report.model_version,
        photos_seen=report.photos_seen,
    )
