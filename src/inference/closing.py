"""The end of a service's parts: one that cannot be closed is logged and leaves none of the others open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog

_log = structlog.get_logger()


class Closable(Protocol):
    """What has threads or files to let go of."""

    def close(self) -> None:
        """Finish what runs; blocks until then."""
        ...


@contextmanager
def closing(part: str) -> Iterator[None]:
    """Log what goes wrong in the block, which closes a part, and go on with the next one."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the store must still write what waits
        _log.error("close_failed", part=part, exc_info=error)
