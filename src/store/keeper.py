"""A record's way to safety: the database if it answers in time, the spool if not, and no silent loss."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from src.store import statements
from src.store.bridge import Bridge
from src.store.images_desk import ImageDesk
from src.store.records import Outcome, PredictionRecord, Spooled
from src.store.spool import Spool
from src.utils.errors import IdempotencyConflict, StoreError

_log = structlog.get_logger()


class Keeper:
    """Keeps records, and counts what became of them.

    Args:
        bridge: To the database.
        spool: Where records go while it is away.
        images: Where photos go, if they are kept.
        claims_since: Tells the moment before which idempotency keys have expired.
    """

    def __init__(
        self,
        bridge: Bridge,
        spool: Spool,
        images: ImageDesk | None,
        claims_since: Callable[[], datetime],
    ) -> None:
        self._bridge = bridge
        self._spool = spool
        self._images = images
        self._claims_since = claims_since
        self.stored = self.spooled = self.lost = 0

    async def keep(self, item: Spooled, photo: bytes | None) -> Outcome:
        """Bring a record to safety.

        Raises:
            IdempotencyConflict: Its key was used for another body; nothing is kept.
        """
        if photo is not None and await self._keep_photo(item.record.id, photo):
            item = item.model_copy(update={"record": item.record.model_copy(update={"has_image": True})})
        since = self._claims_since()
        try:
            prediction_id = await self._bridge.write(
                lambda connection: statements.insert_once(connection, item, since)
            )
        except (StoreError, SQLAlchemyError) as error:
            return await self._spool_instead(item, error)
        except IdempotencyConflict:
            await self._drop_photo(item.record)
            raise
        if prediction_id != item.record.id:
            await self._drop_photo(item.record)
        self.stored += 1
        return Outcome(stored=True, prediction_id=prediction_id)

    async def _spool_instead(self, item: Spooled, cause: Exception) -> Outcome:
        record = item.record
        reason = "the spool is full"
        try:
            kept = await self._bridge.on_disk(
                lambda: self._spool.put(record.id, item.model_dump_json().encode())
            )
        except OSError as error:
            kept, reason = False, type(error).__name__
        if kept:
            self.spooled += 1
        else:
            self.lost += 1
            _log.error("record_lost", prediction_id=record.id, cause=type(cause).__name__, reason=reason)
            await self._drop_photo(record)
        return Outcome(stored=False, prediction_id=record.id)

    async def _keep_photo(self, prediction_id: str, photo: bytes) -> bool:
        images = self._images
        if images is None:
            return False
        try:
            kept = await images.put(prediction_id, photo)
        except OSError as error:
            _log.error("photo_not_kept", prediction_id=prediction_id, reason=type(error).__name__)
            return False
        if not kept:
            _log.warning("photo_not_kept", prediction_id=prediction_id, reason="the place is full")
        return kept

    async def _drop_photo(self, record: PredictionRecord) -> None:
        images = self._images
        if images is not None and record.has_image:
            try:
                await images.remove(record.id)
            except OSError as error:  # it expires like the others, and nobody has its id
                _log.error("photo_not_removed", prediction_id=record.id, reason=type(error).__name__)
