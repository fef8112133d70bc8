"""From the event loop to the threads that touch database and disk, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from src.store.engine import READ_ONLY
from src.store.writer import Step, Writer
from src.utils.errors import StoreError

Result = TypeVar("Result")
_READERS = 4


class Bridge:
    """Awaitable access to one database; the event loop itself never touches it.

    Args:
        engine: The database.
        writer: Has been started.
        write_timeout_s: Longest wait for a commit.
    """

    def __init__(self, engine: Engine, writer: Writer, *, write_timeout_s: float) -> None:
        self._engine = engine
        self._writer = writer
        self._write_timeout_s = write_timeout_s
        self._disk = ThreadPoolExecutor(2, thread_name_prefix="store-disk")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="store-read")

    async def write(self, step: Step[Result]) -> Result:
        """Run a step in the writer's next transaction.

        Raises:
            StoreError: The database is away, or did not commit in time. In the second case the step may still
                be done later, which is why every step may be repeated.
        """
        try:
            async with asyncio.timeout(self._write_timeout_s):
                return await asyncio.wrap_future(self._writer.submit(step))
        except TimeoutError as error:
            raise StoreError("the store did not answer in time; try again in a moment") from error

    async def read(self, step: Step[Result]) -> Result:
        """Run a step that only reads, on a reader's thread.

        Raises:
            StoreError: The database is away.
        """

        def read() -> Result:
            with self._engine.connect().execution_options(**{READ_ONLY: True}) as connection:
                return step(connection)

        if not self._writer.up:
            raise StoreError("the store is away; try again in a moment")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, read)
        except SQLAlchemyError as error:
            raise StoreError("the store could not be read; try again in a moment") from error

    async def on_disk(self, work: Callable[[], Result]) -> Result:
        """Do work on files, on a thread of its own: those that serve the database may be stuck."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)

    def close(self) -> None:
        """Write what waits and let go of the database; blocks until then."""
        self._writer.close()
        self._readers.shutdown()
        self._disk.shutdown()
        self._engine.dispose()
