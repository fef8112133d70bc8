"""The review queue: newest day first, most doubtful first within it, in pages without repeats."""

from __future__ import annotations

import base64
import binascii
import re

from sqlalchemy import Connection, Select, and_, or_, select

from src.store.records import ID_PATTERN, PredictionRecord, ReviewPage
from src.store.statements import RECORD_COLUMNS, to_record
from src.store.tables import predictions, waiting
from src.utils.errors import RequestError


def page(connection: Connection, cursor: str | None, limit: int) -> ReviewPage:
    """Read the next items of the queue.

    A page begins after the last item of the one before by value, not by count: what is reviewed or added
    between two pages neither shifts nor repeats the rest.

    Args:
        connection: Reads only.
        cursor: `next_cursor` of the page before; none for the first.
        limit: Most items, 1 or more.

    Raises:
        RequestError: `invalid_request`: not a cursor that was given out here.
    """
    query: Select[tuple[object, ...]] = (
        select(*RECORD_COLUMNS)
        .where(waiting)
        .order_by(predictions.c.day.desc(), predictions.c.margin, predictions.c.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        day, margin, last = _decode(cursor)
        column = predictions.c
        query = query.where(
            or_(
                column.day < day,
                and_(column.day == day, column.margin > margin),
                and_(column.day == day, column.margin == margin, column.id < last),
            )
        )
    records = tuple(to_record(row) for row in connection.execute(query).mappings())
    more = len(records) > limit
    records = records[:limit]
    return ReviewPage(items=records, next_cursor=_encode(records[-1]) if more else None)


def _encode(record: PredictionRecord) -> str:
    # A float's hex form is exact: the next page compares with the very value that the database holds.
    plain = f"{record.day}/{record.margin.hex()}/{record.id}"
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[int, float, str]:
    try:
        plain = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        day, margin, last = plain.split("/")
        values = int(day), float.fromhex(margin), last
    except (ValueError, OverflowError, binascii.Error) as error:
        raise _invalid() from error
    if not (0 <= values[0] < 2**31 and 0 <= values[1] <= 1 and re.fullmatch(ID_PATTERN, last)):
        raise _invalid()
    return values


def _invalid() -> RequestError:
    return RequestError("invalid_request", "query.cursor: take it from `next_cursor` of the page before")
