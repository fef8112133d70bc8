"""The writer's thread: one bad step harms nobody else, and a bug does not end it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert
from sqlalchemy.exc import IntegrityError, OperationalError

from src.store.engine import make_engine
from src.store.migrate import upgrade
from src.store.statements import find_prediction, insert_prediction
from src.store.tables import feedback
from src.store.writer import Writer, is_outage
from src.utils.errors import NotFoundError, StoreError
from tests.store.builders import a_feedback, a_record
from tests.support.patience import eventually


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def writing(engine: Engine) -> Iterator[Callable[..., Writer]]:
    made: list[Writer] = []

    def make(**options: Any) -> Writer:
        fields: dict[str, Any] = {
            "prepare": lambda: upgrade(engine),
            "spare_work": lambda: False,
            "retry_s": 0.02,
            "stall_s": 60.0,
        }
        writer = Writer(engine, **(fields | options))
        writer.start(60)
        made.append(writer)
        return writer

    yield make
    for writer in made:
        writer.close()


def held(writer: Writer) -> threading.Event:
    """Keep the writer busy until the event is set, so that what follows forms one batch."""
    gate, begun = threading.Event(), threading.Event()

    def wait(_: Connection) -> None:
        begun.set()
        assert gate.wait(60)

    writer.submit(wait)
    assert begun.wait(60)
    return gate


def test_bad_step_fails_alone(writing: Callable[..., Writer], engine: Engine) -> None:
    writer = writing()
    records = [a_record() for _ in range(3)]
    gate = held(writer)
    good = [
        writer.submit(lambda connection, record=record: insert_prediction(connection, record))
        for record in records
    ]
    orphan = a_feedback("0" * 32).model_dump()
    bad = writer.submit(lambda connection: connection.execute(insert(feedback), orphan))
    buggy = writer.submit(lambda _: 1 // 0)
    refused = writer.submit(refusal)
    gate.set()
    assert [future.result(60) for future in good] == [None] * 3
    for future, error in ((bad, IntegrityError), (buggy, ZeroDivisionError), (refused, NotFoundError)):
        with pytest.raises(error):
            future.result(60)
    assert writer.up
    with engine.begin() as connection:
        assert all(find_prediction(connection, record.id) for record in records)


def refusal(_: Connection) -> None:
    raise NotFoundError("no such thing")


def test_answer_comes_after_the_commit(writing: Callable[..., Writer], engine: Engine) -> None:
    writer, record = writing(), a_record()
    seen: list[bool] = []

    def look(_: object) -> None:
        with engine.connect() as connection:
            seen.append(find_prediction(connection, record.id) is not None)

    writer.submit(lambda connection: insert_prediction(connection, record)).add_done_callback(look)
    writer.submit(lambda _: None).result(60)
    assert seen == [True]


def test_who_gave_up_is_not_worked_for(writing: Callable[..., Writer]) -> None:
    writer, ran = writing(), []
    gate = held(writer)
    abandoned = writer.submit(lambda _: ran.append("abandoned"))
    assert abandoned.cancel()
    last = writer.submit(lambda _: ran.append("last"))
    gate.set()
    last.result(60)
    assert ran == ["last"]


def test_batch_that_takes_too_long_counts_as_away(writing: Callable[..., Writer]) -> None:
    writer = writing()
    gate = held(writer)
    writer._stall_s = 0.05  # only now: a busy machine must not make the first step late
    eventually(lambda: not writer.up, "the stall was not noticed")
    with pytest.raises(StoreError):
        writer.submit(lambda _: None).result(60)
    writer._stall_s = 60.0
    gate.set()
    eventually(lambda: writer.up, "the writer did not come back")


def test_bug_in_spare_work_does_not_end_the_writer(writing: Callable[..., Writer]) -> None:
    errors: list[Exception | None] = [ZeroDivisionError(), OSError(), None]

    def spare_work() -> bool:
        if errors and (error := errors.pop(0)):
            raise error
        return False

    writer = writing(spare_work=spare_work)
    eventually(lambda: not errors and writer.up, "the writer did not come back")
    assert writer.submit(lambda _: 7).result(60) == 7


def test_nothing_is_taken_after_closing(writing: Callable[..., Writer]) -> None:
    writer = writing()
    writer.close()
    with pytest.raises(StoreError):
        writer.submit(lambda _: None).result(60)


class Crossed(Exception):  # noqa: N818
    sqlstate = "40P01"


def test_two_batches_that_met_crosswise_are_no_outage() -> None:
    assert not is_outage(OperationalError("INSERT", {}, Crossed()))
    assert is_outage(OperationalError("INSERT", {}, Exception()))
    assert not is_outage(ZeroDivisionError())
