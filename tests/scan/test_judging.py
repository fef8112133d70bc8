"""A scan says what the service says, to the last bit; no photo can stop it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from src.inference.detector import Detector
from src.inference.provenance.manifests import ManifestReader
from src.scan.items import Item
from src.scan.judging import WORKER_DIED, Shards, _chunks
from src.scan.messages import Task
from src.scan.readers import Reader
from src.scan.rows import Row, Tally, read_rows, read_tally, to_parquet
from src.scan.sources import list_source
from src.scan.worker import blame
from src.utils.errors import ScanError
from tests.scan.catalogue import no_fetcher
from tests.support.pictures import photo_bytes
from tests.support.service import quiet_settings, running


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, bytes]:
    found = {f"{number}.jpg": photo_bytes(number, (200 + 30 * number, 150)) for number in range(6)}
    found |= {"6.png": photo_bytes(6, fmt="PNG"), "7.jpg": b"nonsense", "8.jpg": photo_bytes(8)[:700]}
    for name, data in found.items():
        (tmp_path / name).write_bytes(data)
    return found


def judged(folder: Path, model: Path, **options: Any) -> tuple[list[Row], list[int]]:
    reader = Reader(25 * 2**20, None, no_fetcher)
    shards = Shards(Detector.from_file(model, threads=1), ManifestReader(timeout_s=60.0), reader, "balanced")
    told: list[int] = []
    try:
        return shards.rows(list(list_source(str(folder))), told.append, **options), told
    finally:
        reader.close()


def test_label_and_probability_are_those_of_predict(
    photos: dict[str, bytes], tmp_path: Path, model_path: Path
) -> None:
    rows, _ = judged(tmp_path, model_path)
    with running(quiet_settings(model_path)) as client:
        for row in rows:
            reply = client.predict(photos[row.id])
            body = reply.json()
            if row.error is not None:
                assert (reply.status_code >= 400, row.error) == (True, body["code"])
                continue
            assert (row.label, row.probability) == (body["label"], body["probability"])
            assert (row.needs_review, row.threshold) == (body["needs_review"], body["threshold"])
            assert (row.provenance_label, row.provenance_basis) == (
                body["provenance"]["label"],
                body["provenance"]["basis"],
            )
    assert sum(row.error is None for row in rows) == 7


def test_alone_and_skipped_photos_change_no_other_row(
    photos: dict[str, bytes], tmp_path: Path, model_path: Path
) -> None:
    plain, _ = judged(tmp_path, model_path)
    careful, told = judged(tmp_path, model_path, alone=frozenset({2, 3}), skip=frozenset({3}))
    assert careful[:3] + careful[4:] == plain[:3] + plain[4:]
    assert (careful[3].error, careful[3].id) == (WORKER_DIED, plain[3].id)
    assert told == [0, 2, 3, 4, 8]


def test_rows_that_are_there_are_neither_read_nor_judged_again(
    photos: dict[str, bytes], tmp_path: Path, model_path: Path
) -> None:
    plain, _ = judged(tmp_path, model_path)
    kept = {number: row for number, row in enumerate(plain) if number not in {1, 6}}
    for name in list(photos)[2:6]:
        (tmp_path / name).write_bytes(b"changed meanwhile")
    again, told = judged(tmp_path, model_path, kept=kept)
    assert again == plain
    assert told == [1, 6]


def test_a_file_gives_its_rows_back(photos: dict[str, bytes], tmp_path: Path, model_path: Path) -> None:
    rows, _ = judged(tmp_path, model_path)
    rows[0] = replace(rows[0], signals=("xmp says ai_generated (strong)", "exif says camera (weak)"))
    assert read_rows(io.BytesIO(to_parquet(rows, "0" * 64))) == rows
    with pytest.raises(ScanError):
        read_rows(io.BytesIO(b"nonsense"))


def test_only_what_was_not_read_may_be_asked_for_again() -> None:
    item = Item("i", "file", "i.jpg")
    gone, bad = (Row.wrong(item, data, "balanced", "code") for data in (None, b"no photo"))
    assert (gone.is_unread, bad.is_unread) == (True, False)
    assert Tally.of([gone, bad]).unread == 1


def test_chunks_hold_every_photo_once() -> None:
    assert list(_chunks(9, frozenset())) == [(0, 4), (4, 8), (8, 9)]
    assert list(_chunks(5, frozenset({0, 4}))) == [(0, 1), (1, 4), (4, 5)]
    assert list(_chunks(0, frozenset())) == []


def test_a_death_is_blamed_first_on_some_photos_and_then_on_one() -> None:
    first = blame(Task(3), 4)
    assert first == Task(3, alone=frozenset({4, 5, 6, 7}))
    second = blame(first, 6)
    assert second.skip == {6}
    assert blame(second, 6) == second


def test_a_file_tells_its_tally_without_its_rows() -> None:
    item = Item("i", "file", "i.jpg")
    rows = [Row.wrong(item, None, "balanced", code) for code in ("a", "a", "b")]
    found = read_tally(io.BytesIO(to_parquet(rows, "0" * 64)))
    assert found == Tally(rows=3, unread=3, errors=found.errors)
    assert found.errors == {"a": 2, "b": 1}
    found.add(Tally.of(rows))
    assert (found.rows, found.errors["a"]) == (6, 4)
    with pytest.raises(ScanError):
        read_tally(io.BytesIO(b"nonsense"))
