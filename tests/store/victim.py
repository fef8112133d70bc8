"""A process that writes until it is killed, and says on its output what it has acknowledged, after it has.

Run as: python victim.py URL SPOOL_DIR. Lines: `record ID` (stored), `spooled ID`, `feedback ID`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import structlog

from src.store.store import Store
from tests.store.builders import a_feedback, a_record


def say(word: str, name: str) -> None:
    sys.stdout.write(f"{word} {name}\n")
    sys.stdout.flush()


async def client(store: Store) -> None:
    while True:
        record = a_record()
        if not await store.record(record):
            say("spooled", record.id)
            continue
        say("record", record.id)
        feedback = a_feedback(record.id)
        await store.feedback(feedback)
        say("feedback", feedback.id)


async def main(url: str, spool_dir: str) -> None:
    store = Store.open(url, spool_dir=Path(spool_dir), retry_s=60)
    await asyncio.gather(*(client(store) for _ in range(8)))


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asyncio.run(main(*sys.argv[1:]))
