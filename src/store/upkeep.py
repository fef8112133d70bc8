"""What the writer does between batches: replay the spool, delete what is too old."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from src.store import statements
from src.store.images import Images
from src.store.records import Spooled
from src.store.spool import Spool
from src.store.writer import is_outage

_REPLAY_BATCH = 128
_PURGE_BATCH = 500
_FIRST_PURGE_S = 60
_JUMP_S = 3600

_log = structlog.get_logger()


class Upkeep:
    """Called again and again, does a little each time.

    Args:
        engine: Of the database that the spool is replayed into.
        spool: What waits.
        images: Photos that expire.
        retention_days: Predictions older than this are deleted; none are by age without it.
        claim_hours: How long an idempotency key is remembered.
        every_s: Seconds between two rounds of deletion.
    """

    def __init__(
        self,
        engine: Engine,
        spool: Spool,
        images: Images | None,
        *,
        retention_days: float | None,
        claim_hours: float,
        every_s: float,
    ) -> None:
        self._engine = engine
        self._spool = spool
        self._images = images
        self._retention_days = retention_days
        self._claim_hours = claim_hours
        self._every_s = every_s
        self._next_purge = time.monotonic() + min(_FIRST_PURGE_S, every_s)
        self._clock_offset = time.time() - time.monotonic()
        self.replayed = self.rejected = self.purged = self.expiry_failed = 0

    def __call__(self) -> bool:
        """Do one piece of work; returns whether there is more to do at once."""
        if keys := self._spool.oldest(_REPLAY_BATCH):
            self._replay(keys)
            return True
        if time.monotonic() >= self._next_purge:
            return self._purge()
        return False

    def claims_since(self) -> datetime:
        """Return the moment before which idempotency keys have expired."""
        return datetime.now(UTC) - timedelta(hours=self._claim_hours)

    def _replay(self, keys: list[str]) -> None:
        waiting = {key: item for key in keys if (item := self._read(key)) is not None}
        try:
            self._insert(list(waiting.values()))
        except SQLAlchemyError as error:
            if is_outage(error):
                raise
            self._replay_one_by_one(waiting)
        for key in waiting:
            self._spool.remove(key)
        self.replayed += len(waiting)
        _log.info("spool_replayed", records=len(waiting), left=self._spool.records)

    def _replay_one_by_one(self, waiting: dict[str, Spooled]) -> None:
        for key, item in list(waiting.items()):
            try:
                self._insert([item])
            except SQLAlchemyError as error:
                if is_outage(error):
                    raise
                self._reject(key)
                del waiting[key]

    def _insert(self, items: list[Spooled]) -> None:
        with self._engine.begin() as connection:
            statements.insert_replayed(connection, items, self.claims_since())

    def _read(self, key: str) -> Spooled | None:
        payload = self._spool.get(key)
        if payload is None:
            return None
        try:
            return Spooled.model_validate_json(payload)
        except ValidationError:
            self._reject(key)
            return None

    def _reject(self, key: str) -> None:
        self._spool.reject(key)
        self.rejected += 1
        _log.error("spool_rejected", prediction_id=key)

    def _purge(self) -> bool:
        # A clock that jumps ahead makes everything look old: nothing is deleted until it has held still for a
        # whole round.
        offset = time.time() - time.monotonic()
        jump, self._clock_offset = offset - self._clock_offset, offset
        if abs(jump) > _JUMP_S:
            _log.warning("retention_skipped", clock_jump_s=round(jump))
            self._next_purge = time.monotonic() + self._every_s
            return False
        moment = datetime.now(UTC)
        before = moment - timedelta(days=self._retention_days) if self._retention_days else None
        if self._tried("predictions", lambda: self._delete_before(before)) == _PURGE_BATCH:
            return True
        images = self._images
        if images is not None:
            self._tried("photos", lambda: images.expire(moment))
        if self._engine.dialect.name == "sqlite":
            self._tried("log", self._empty_log)
        self._next_purge = time.monotonic() + self._every_s
        return False

    def _tried(self, what: str, expire: Callable[[], int | None]) -> int | None:
        # It can wait a round: what keeps old things from going must not keep new ones from being stored.
        # Where the database is away, the next write will tell.
        try:
            return expire()
        except Exception as error:  # noqa: BLE001 - told and counted
            self.expiry_failed += 1
            # The driver's message may quote values; its kind says enough.
            _log.error("expiry_failed", what=what, kind=type(error).__name__)
            return None

    def _delete_before(self, before: datetime | None) -> int:
        with self._engine.begin() as connection:
            deleted = statements.delete_expired(
                connection, before=before, claims_before=self.claims_since(), limit=_PURGE_BATCH
            )
        self.purged += deleted
        return deleted

    def _empty_log(self) -> None:
        # The write-ahead log still holds pages as they were before a deletion.
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
