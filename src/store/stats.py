"""State and counts of the store, for whoever watches it. Light to import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreStats:
    """State and counts since the start, for metrics.

    Attributes:
        up: The database takes writes.
        waiting: Writes that wait for the next commit.
        batches: Commits; `written` / `batches` is the mean batch.
        written: Steps committed: records, feedback, deletions.
        stored: Records that were durable in the database before their reply.
        spooled: Records that went to disk instead.
        lost: Records that could not even be spooled: over the bound, or the disk failed.
        replayed: Records that came from the spool into the database.
        rejected: Spooled records that were damaged and put aside.
        purged: Predictions deleted for their age.
        expiry_failed: Times that something old could not be deleted and was left for the next round.
        spool_records: Records in the spool now.
        spool_bytes: What they take of the disk.
    """

    up: bool
    waiting: int
    batches: int
    written: int
    stored: int
    spooled: int
    lost: int
    replayed: int
    rejected: int
    purged: int
    expiry_failed: int
    spool_records: int
    spool_bytes: int
