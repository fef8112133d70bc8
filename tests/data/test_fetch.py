"""Originals arrive whole or not at all, whatever the server does on the way."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.data.fetch import FetchOptions, Outcome, fetch_originals, source_url
from src.data.layout import original_path
from src.data.manifest import PhotoRecord
from tests.data.builders import record
from tests.data.server import Fault, FileServer, serving

DATA = random.Random(7).randbytes(200_000)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as running:
        yield running


def publish(server: FileServer, name: str = "one", data: bytes = DATA, *faults: Fault) -> PhotoRecord:
    made = record(name, data=data, repo_path=f"shop photos/{name} #1.png")
    path = source_url(made, "")
    server.files[path] = data
    server.faults[path] = list(faults)
    return made


def fetch(
    server: FileServer, raw: Path, *records: PhotoRecord, **options: object
) -> tuple[list[Outcome], list[float]]:
    waits: list[float] = []
    wanted = FetchOptions.model_validate({"base_url": server.url, "attempts": 3} | options)
    return list(fetch_originals(records, raw, wanted, sleep=waits.append)), waits


def test_address_is_quoted() -> None:
    made = record(1, repo_path="a b/ü#?.png")
    assert source_url(made, "http://host/") == f"http://host/owner/name/{'a' * 40}/a%20b/%C3%BC%23%3F.png"


def test_many_are_fetched_in_order_of_their_rows_and_then_kept(server: FileServer, tmp_path: Path) -> None:
    records = [publish(server, f"photo {n}", DATA[n : n + 5000]) for n in range(30)]
    outcomes, _ = fetch(server, tmp_path, *records)
    assert [(one.record, one.status) for one in outcomes] == [(made, "fetched") for made in records]
    for n, made in enumerate(records):
        assert original_path(made, tmp_path).read_bytes() == DATA[n : n + 5000]
    asked = len(server.seen)
    again, _ = fetch(server, tmp_path, *records)
    assert {one.status for one in again} == {"present"}
    assert len(server.seen) == asked


def test_interrupted_body_is_continued_where_it_broke_off(server: FileServer, tmp_path: Path) -> None:
    made = publish(server, "one", DATA, Fault(cut=True), Fault(cut=True))
    (outcome,), waits = fetch(server, tmp_path, made)
    assert outcome.status == "fetched"
    assert original_path(made, tmp_path).read_bytes() == DATA
    ranges = [asked for _, asked in server.seen]
    assert ranges[0] is None
    assert all(asked and int(asked[6:-1]) > 0 for asked in ranges[1:])
    assert len(waits) == 2


def test_next_run_continues_the_part_that_a_broken_one_left(server: FileServer, tmp_path: Path) -> None:
    made = publish(server, "one", DATA, Fault(cut=True))
    (outcome,), _ = fetch(server, tmp_path, made, attempts=1)
    assert outcome.status == "failed"
    assert "1 attempts" in outcome.error
    target = original_path(made, tmp_path)
    assert not target.exists()
    part = target.with_name(target.name + ".part")
    assert DATA.startswith(part.read_bytes())
    (outcome,), _ = fetch(server, tmp_path, made)
    assert outcome.status == "fetched"
    assert target.read_bytes() == DATA
    assert not part.exists()


def test_server_without_ranges_sends_all_again(tmp_path: Path) -> None:
    with serving(ranges=False) as server:
        made = publish(server, "one", DATA, Fault(cut=True))
        (outcome,), _ = fetch(server, tmp_path, made)
    assert outcome.status == "fetched"
    assert original_path(made, tmp_path).read_bytes() == DATA


def test_corrupted_body_is_thrown_away_and_fetched_again(server: FileServer, tmp_path: Path) -> None:
    made = publish(server, "one", DATA, Fault(corrupt=True))
    (outcome,), _ = fetch(server, tmp_path, made)
    assert outcome.status == "fetched"
    assert [asked for _, asked in server.seen] == [None, None]


def test_lasting_corruption_fails_and_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    made = publish(server, "one", DATA, *[Fault(corrupt=True)] * 3)
    (outcome,), _ = fetch(server, tmp_path, made)
    assert outcome.status == "failed"
    assert "sha256" in outcome.error
    assert not list(original_path(made, tmp_path).parent.iterdir())


def test_whole_part_is_finished_without_another_byte(server: FileServer, tmp_path: Path) -> None:
    made = publish(server)
    target = original_path(made, tmp_path)
    target.parent.mkdir(parents=True)
    target.with_name(target.name + ".part").write_bytes(DATA)
    (outcome,), _ = fetch(server, tmp_path, made)
    assert outcome.status == "fetched"


def test_foreign_part_and_foreign_range_start_again(server: FileServer, tmp_path: Path) -> None:
    longer, other = publish(server), publish(server, "two", DATA[::-1], Fault(wrong_range=True))
    for made, content in ((longer, DATA + b"more"), (other, DATA[::-1][:500])):
        target = original_path(made, tmp_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_name(target.name + ".part").write_bytes(content)
    outcomes, _ = fetch(server, tmp_path, longer, other)
    assert [one.status for one in outcomes] == ["fetched", "fetched"]
    assert original_path(other, tmp_path).read_bytes() == DATA[::-1]


def test_missing_file_fails_at_once_and_the_others_go_on(server: FileServer, tmp_path: Path) -> None:
    gone = record("gone")
    outcomes, waits = fetch(server, tmp_path, gone, publish(server))
    assert [(one.status, one.error) for one in outcomes] == [("failed", "HTTP 404"), ("fetched", "")]
    assert waits == []


def test_busy_server_is_asked_again_after_the_time_that_it_names(server: FileServer, tmp_path: Path) -> None:
    busy = Fault(status=429, headers=(("Retry-After", "7"),))
    made = publish(server, "one", DATA, busy, Fault(status=503))
    (outcome,), waits = fetch(server, tmp_path, made, backoff=0.5)
    assert outcome.status == "fetched"
    assert waits[0] == 7
    assert 0.5 <= waits[1] <= 1


def test_wait_is_never_longer_than_the_limit(server: FileServer, tmp_path: Path) -> None:
    made = publish(server, "one", DATA, Fault(status=429, headers=(("Retry-After", "9999"),)))
    _, waits = fetch(server, tmp_path, made, max_wait=3)
    assert waits == [3]


def test_endless_file_is_cut_off(server: FileServer, tmp_path: Path) -> None:
    (outcome,), _ = fetch(server, tmp_path, publish(server), max_bytes=1000)
    assert (outcome.status, outcome.error) == ("failed", "larger than 1000 bytes")


def test_no_server_and_no_address_are_failures_not_crashes(tmp_path: Path) -> None:
    with serving() as server:
        url = server.url
    options = FetchOptions(base_url=url, attempts=2)
    (outcome,) = fetch_originals([record(1)], tmp_path, options, sleep=lambda _: None)
    assert "ConnectError" in outcome.error
    (outcome,) = fetch_originals(
        [record(1)], tmp_path, FetchOptions(base_url="http://[::1"), sleep=lambda _: None
    )
    assert "InvalidURL" in outcome.error


def test_leaving_early_drops_what_has_not_begun(server: FileServer, tmp_path: Path) -> None:
    records = [publish(server, f"photo {n}", DATA) for n in range(40)]
    outcomes = fetch_originals(records, tmp_path, FetchOptions(base_url=server.url, connections=1))
    assert isinstance(outcomes, Iterator)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert len(server.seen) < 40
