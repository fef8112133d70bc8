"""The store as the service sees it: awaitable calls that never block the event loop."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import ValidationError

from src.store import live, migrate, review, statements
from src.store.bridge import Bridge
from src.store.engine import make_engine
from src.store.images_bucket import open_images
from src.store.images_desk import ImageDesk
from src.store.jobs import JobBook
from src.store.keeper import Keeper
from src.store.records import (
    Claim,
    Feedback,
    Outcome,
    PredictionRecord,
    ReviewPage,
    Spooled,
    StoredPrediction,
)
from src.store.spool import Spool
from src.store.stats import StoreStats
from src.store.upkeep import Upkeep
from src.store.writer import Writer
from src.utils.errors import ConfigError, StoreError

_FIRST_TRY_S = 10.0


class Store:
    """Predictions, feedback, and `jobs`. Make one by `open`, end it by `close`; both block."""

    def __init__(
        self, writer: Writer, bridge: Bridge, spool: Spool, images: ImageDesk | None, upkeep: Upkeep
    ) -> None:
        self._writer = writer
        self._bridge = bridge
        self._spool = spool
        self._images = images
        self._upkeep = upkeep
        self.jobs = JobBook(bridge)
        self._keeper = Keeper(bridge, spool, images, upkeep.claims_since)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        spool_dir: Path,
        spool_bytes: int = 64 * 2**20,
        write_timeout_s: float = 2.0,
        retry_s: float = 1.0,
        retention_days: float | None = None,
        claim_hours: float = 24.0,
        upkeep_every_s: float = 3600.0,
        images_dir: Path | str | None = None,
        image_days: float = 30.0,
        images_bytes: int = 10 * 2**30,
    ) -> Self:
        """Open the store and bring its tables up to date.

        A database that is away does not prevent this: records are spooled until it comes.

        Args:
            url: `sqlite:///path` or `postgresql://…`.
            spool_dir: Where records wait while the database is away.
            spool_bytes: Most that they may take of the disk.
            write_timeout_s: A record that is not durable by then is spooled instead.
            retry_s: Seconds between attempts to reach a database that is away.
            retention_days: Age at which predictions are deleted; never without it.
            claim_hours: How long an idempotency key is remembered.
            upkeep_every_s: Seconds between two rounds of deletion.
            images_dir: Folder, or URI of a bucket, that keeps photos for review; none are without it.
            image_days: Age at which they are removed; never later than their predictions.
            images_bytes: Most that they may take together.

        Raises:
            ConfigError: The URL is not usable, a folder cannot be made, or what speaks to the bucket is not
                installed.
        """
        engine = make_engine(url)
        try:
            spool = Spool(spool_dir, max_bytes=spool_bytes)
            days = min(image_days, retention_days or image_days)
            images = open_images(images_dir, days=days, max_bytes=images_bytes) if images_dir else None
        except OSError as error:
            raise ConfigError("a folder of the store cannot be made or read") from error
        upkeep = Upkeep(
            engine,
            spool,
            images,
            retention_days=retention_days,
            claim_hours=claim_hours,
            every_s=upkeep_every_s,
        )
        writer = Writer(
            engine,
            prepare=lambda: migrate.upgrade(engine),
            spare_work=upkeep,
            retry_s=retry_s,
            stall_s=write_timeout_s,
        )
        writer.start(_FIRST_TRY_S)
        desk = ImageDesk(images, put_timeout_s=write_timeout_s) if images is not None else None
        return cls(writer, Bridge(engine, writer, write_timeout_s=write_timeout_s), spool, desk, upkeep)

    @property
    def up(self) -> bool:
        """Whether the database takes writes."""
        return self._writer.up

    @property
    def keeps_images(self) -> bool:
        """Whether photos given to `record` are kept."""
        return self._images is not None

    def stats(self) -> StoreStats:
        """Return state and counts."""
        return StoreStats(
            up=self.up,
            waiting=self._writer.waiting,
            batches=self._writer.batches,
            written=self._writer.written,
            stored=self._keeper.stored,
            spooled=self._keeper.spooled,
            lost=self._keeper.lost,
            replayed=self._upkeep.replayed,
            rejected=self._upkeep.rejected,
            purged=self._upkeep.purged,
            expiry_failed=self._upkeep.expiry_failed,
            spool_records=self._spool.records,
            spool_bytes=self._spool.bytes,
        )

    async def record(self, record: PredictionRecord, photo: bytes | None = None) -> bool:
        """Keep a prediction; call it before its reply is sent.

        Args:
            record: The prediction.
            photo: Kept for review, if the store keeps photos. Pass those that a person should look at.

        Returns:
            True: Durable in the database. False: the database is away; the record waits on disk and will be
            replayed, or is lost and counted if the disk fails too.
        """
        return (await self._keeper.keep(Spooled(record=record), photo)).stored

    async def record_once(
        self, record: PredictionRecord, claim: Claim, photo: bytes | None = None
    ) -> Outcome:
        """Keep a prediction unless an earlier one, or a twin in flight, has met its idempotency key.

        Raises:
            IdempotencyConflict: The key was used for another body; nothing is kept.
        """
        return await self._keeper.keep(Spooled(record=record, claim=claim), photo)

    async def recall(self, claim: Claim) -> str | None:
        """Return the id of the prediction that met this idempotency key before; ask before work begins.

        None while the database is away: the service goes on answering, and the key cannot be checked.

        Raises:
            IdempotencyConflict: The key was used for another body.
        """
        try:
            return await self._bridge.read(
                lambda connection: statements.find_claim(connection, claim, self._upkeep.claims_since())
            )
        except StoreError:
            return None

    async def prediction(self, prediction_id: str) -> StoredPrediction | None:
        """Return a prediction with its feedback, also one that still waits to be replayed.

        Raises:
            StoreError: The database is away.
        """
        found = await self._bridge.read(
            lambda connection: statements.find_prediction(connection, prediction_id)
        )
        if found is None and (spooled := await self._spooled_record(prediction_id)) is not None:
            return StoredPrediction(record=spooled.record)
        return found

    async def feedback(self, feedback: Feedback) -> None:
        """Keep what a person found out; durable when this returns.

        Raises:
            NotFoundError: There is no such prediction.
            StoreError: The database is away; nothing is kept.
        """
        spooled = await self._spooled_record(feedback.prediction_id)
        since = self._upkeep.claims_since()
        await self._bridge.write(
            lambda connection: statements.insert_feedback(connection, feedback, spooled, since)
        )

    async def review(self, cursor: str | None = None, limit: int = 50) -> ReviewPage:
        """Return a page of what waits for a person: newest day first, most doubtful first within it.

        Raises:
            RequestError: `invalid_request`: not a cursor that was given out here.
            StoreError: The database is away.
        """
        return await self._bridge.read(lambda connection: review.page(connection, cursor, limit))

    async def live_rows(self, model_version: str, last_id: str | None, limit: int) -> list[live.LiveRow]:
        """Return a model's predictions after an id, oldest first; the newest ones when there is no id yet.

        Raises:
            StoreError: The database is away.
        """
        if last_id is None:
            return await self._bridge.read(lambda connection: live.newest(connection, model_version, limit))
        return await self._bridge.read(
            lambda connection: live.after(connection, model_version, last_id, limit)
        )

    async def answers(self, model_version: str, first_id: str) -> list[live.Answer]:
        """Return the last word of people on each of a model's predictions from an id on.

        Raises:
            StoreError: The database is away.
        """
        return await self._bridge.read(lambda connection: live.answers(connection, model_version, first_id))

    async def delete(self, prediction_id: str) -> bool:
        """Delete a prediction, its feedback, its photo, and whatever of it still waits to be replayed.

        Returns:
            Whether there was anything.

        Raises:
            StoreError: The database is away and nothing is deleted, or the photo's place is and the photo is
                not deleted yet: ask again.
        """
        existed = await self._bridge.write(
            lambda connection: statements.delete_prediction(connection, prediction_id)
        )
        # Only now: the database remembers that the id must not come back, whoever replays meanwhile.
        waited = await self._bridge.on_disk(lambda: self._spool.remove(prediction_id))
        pictured = False
        if self._images is not None:
            try:
                pictured = await self._images.remove(prediction_id)
            except OSError as error:
                raise StoreError("the photo could not be deleted yet; ask again") from error
        return existed or waited or pictured

    async def photo(self, prediction_id: str) -> bytes | None:
        """Return the photo of a prediction as it came, where it was kept and has not expired.

        Raises:
            StoreError: The place of photos is away.
        """
        if self._images is None:
            return None
        try:
            return await self._images.get(prediction_id)
        except OSError as error:
            raise StoreError("the photo cannot be read now; try again in a moment") from error

    async def _spooled_record(self, prediction_id: str) -> Spooled | None:
        payload = await self._bridge.on_disk(lambda: self._spool.get(prediction_id))
        try:
            return None if payload is None else Spooled.model_validate_json(payload)
        except ValidationError:  # damaged; the replay will put it aside
            return None

    def close(self) -> None:
        """Write what waits and let go of the database; blocks until then."""
        if self._images is not None:
            self._images.close()
        self._bridge.close()
