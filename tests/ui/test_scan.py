"""A scan beside the page, and its rows as a table and as files."""

from __future__ import annotations

import io
import threading

import pandas as pd
import pytest

from src.client import ApiError, Origin
from src.ui import table
from src.ui.scan import Row, Scan
from src.ui.sources import BadSource, Item
from src.ui.strings import catalogue as text
from tests.support.patience import eventually
from tests.support.pictures import photo_bytes
from tests.ui.fakes import STRONG, prediction

PATIENCE_S = 60
REFUSED = ApiError("corrupt_image", 422, "The image is damaged.")


def why(error: ApiError) -> str:
    return error.detail


def finished(items, predict, **options) -> Scan:
    scan = Scan(iter(items), predict, total=len(items), **options)
    scan.start()
    assert scan.join(PATIENCE_S)
    return scan


def test_rows_come_in_the_order_of_the_catalogue_with_verdicts_errors_and_thumbnails() -> None:
    def predict(item):
        if item.photo == b"bad":
            raise REFUSED
        return prediction(0.9)

    items = [Item(f"{number}.jpg", photo_bytes(number)) for number in range(9)]
    items[4] = Item("bad.jpg", b"bad")
    items[6] = Item("left-out.jpg", problem=ApiError("zip_encrypted", 0, "protected"))
    scan = finished(items, predict)
    rows = scan.rows()
    assert [row.name for row in rows] == [item.name for item in items]
    assert [row.order for row in rows] == list(range(9))
    assert [isinstance(row.outcome, ApiError) for row in rows] == [index in (4, 6) for index in range(9)]
    assert [row.thumbnail is None for row in rows] == [index in (4, 6) for index in range(9)]
    assert rows[0].thumbnail.startswith("data:image/jpeg;base64,")
    assert not scan.running
    assert scan.failed is None


def test_few_photos_are_held_at_once() -> None:
    gate, taken = threading.Event(), []

    def items():
        for number in range(100):
            taken.append(number)
            yield Item(f"{number}", b"x")

    def predict(_):
        assert gate.wait(PATIENCE_S)
        return prediction()

    scan = Scan(items(), predict, total=100, workers=2)
    scan.start()
    eventually(lambda: len(taken) >= 4, "photos are taken")
    assert len(taken) <= 5
    assert scan.running
    gate.set()
    assert scan.join(PATIENCE_S)
    assert len(scan.rows()) == 100


def test_a_scan_can_be_stopped() -> None:
    gate = threading.Event()

    def predict(_):
        assert gate.wait(PATIENCE_S)
        return prediction()

    scan = Scan((Item(str(number), b"x") for number in range(10_000)), predict, total=10_000)
    scan.start()
    scan.stop()
    gate.set()
    assert scan.join(PATIENCE_S)
    assert scan.stopped
    assert len(scan.rows()) < 100


def test_a_source_that_breaks_ends_the_scan_with_its_reason() -> None:
    def items():
        yield Item("a", b"x")
        raise BadSource("zip_damaged")

    scan = Scan(items(), lambda _: prediction(), total=2)
    scan.start()
    assert scan.join(PATIENCE_S)
    assert scan.failed is not None
    assert scan.failed.code == "zip_damaged"


@pytest.fixture
def rows() -> list[Row]:
    against = Origin(label="real", basis="pixels_against_provenance", needs_review=True, signals=(STRONG,))
    return [
        Row(0, "Mug.jpg", prediction(0.55), "data:x"),
        Row(1, "=cmd|' /C calc'!A0.jpg", prediction(0.97)),
        Row(2, "lamp.jpg", prediction(0.02)),
        Row(3, "box.jpg", REFUSED),
        Row(4, "mug-2.jpg", prediction(0.1, provenance=against)),
    ]


def test_filters_count_what_they_show(rows) -> None:
    assert table.count(rows) == {"all": 5, "ai_generated": 2, "real": 2, "review": 2, "error": 1}
    assert [row.order for row in table.select(rows, "review", "")] == [0, 4]
    assert [row.order for row in table.select(rows, "all", " MUG ")] == [0, 4]
    assert table.select(rows, "error", "mug") == []


@pytest.mark.parametrize(
    ("by", "order"),
    [("probability", [1, 0, 4, 2, 3]), ("doubt", [0, 4, 1, 2, 3]), ("order", [0, 1, 2, 3, 4])],
)
def test_rows_are_sorted_with_those_without_a_verdict_last(rows, by, order) -> None:
    assert [row.order for row in table.arrange(rows, by)] == order


def test_the_table_shows_only_columns_that_say_something(rows) -> None:
    whole = table.frame(rows, why)
    assert whole[text.TABLE["error"]].tolist() == ["", "", "", REFUSED.detail, ""]
    assert text.TABLE["says"] in whole
    quiet = table.frame(rows[:3], why)
    assert text.TABLE["error"] not in quiet
    assert text.TABLE["says"] not in quiet


def test_parquet_holds_every_row_with_its_types(rows) -> None:
    found = pd.read_parquet(io.BytesIO(table.to_parquet(table.plain(rows, why))))
    assert found["name"].tolist() == [row.name for row in rows]
    assert found["error_code"].tolist()[3] == "corrupt_image"
    assert found["probability"].tolist()[1] == 0.97
    assert pd.isna(found["probability"].tolist()[3])
    assert found["provenance"].tolist()[4] == "generator_parameters:ai_generated"


def test_no_name_of_a_stranger_becomes_a_formula_in_a_spreadsheet(rows) -> None:
    written = table.to_csv(table.plain(rows, why)).decode()
    assert "'=cmd" in written
    found = pd.read_csv(io.StringIO(written))
    assert not any(str(name).startswith(("=", "+", "-", "@")) for name in found["name"])
    assert len(found) == len(rows)
