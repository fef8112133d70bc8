"""Every kind of source is listed in one order and read to the very bytes that were put in."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from src.scan.items import Item
from src.scan.readers import Reader
from src.scan.sources import list_source
from src.utils.errors import ConfigError, DetectorError
from tests.scan.catalogue import no_fetcher

PHOTOS = {f"p{number}.jpg": bytes([number]) * (100 + number) for number in range(7)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in PHOTOS.items():
        (tmp_path / "in" / name[1]).mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name[1] / name).write_bytes(data)
    (tmp_path / "in" / "notes.txt").write_text("no photo")
    (tmp_path / "in" / ".hidden.jpg").write_bytes(b"x")
    (tmp_path / "in" / "_plan").mkdir()
    (tmp_path / "in" / "_plan" / "part.parquet").write_bytes(b"x")
    (tmp_path / "in" / "model_version=1").mkdir()
    (tmp_path / "in" / "model_version=1" / "shard-0000000.parquet").write_bytes(b"x")
    return tmp_path / "in"


def read(source: str | Path, column: str | None = None, max_bytes: int = 10_000) -> dict[str, Any]:
    """Id -> bytes, or the code of the error."""
    items = list(list_source(str(source), column))
    reader = Reader(max_bytes, column, no_fetcher)
    try:
        contents = list(reader.read(items))
    finally:
        reader.close()
    assert len(contents) == len(items) == len({item.id for item in items})
    return {
        item.id: data.code if isinstance(data, DetectorError) else data
        for item, data in zip(items, contents, strict=True)
    }


def write_tar(path: Path, photos: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in photos.items():
            for member, content in ((name, data), (name.replace(".jpg", ".json"), b"{}")):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def test_a_folder_gives_its_photos_in_order_and_nothing_else(folder: Path) -> None:
    found = read(folder)
    assert found == {f"{name[1]}/{name}": data for name, data in PHOTOS.items()}
    assert list(found) == sorted(found)


def test_a_glob_and_a_single_photo(folder: Path) -> None:
    assert set(read(folder / "*" / "p[12].jpg").values()) == {PHOTOS["p1.jpg"], PHOTOS["p2.jpg"]}
    assert read(folder / "3" / "p3.jpg") == {"p3.jpg": PHOTOS["p3.jpg"]}


def test_a_tar_file_is_read_at_the_places_of_its_photos(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "shard.tar", PHOTOS)
    assert read(tar) == {f"shard.tar/{name}": data for name, data in PHOTOS.items()}
    assert read(tmp_path) == {f"shard.tar/{name}": data for name, data in PHOTOS.items()}


def test_csv_of_paths_beside_it_with_own_ids(folder: Path) -> None:
    table = folder / "list.csv"
    lines = [f"{number},{name[1]}/{name}" for number, name in enumerate(PHOTOS)]
    table.write_text("\n".join(["sku,Path", *lines, "7,", "8,gone.jpg"]) + "\n")
    expected: dict[str, Any] = {str(number): data for number, data in enumerate(PHOTOS.values())}
    assert read(table) == expected | {"7": "unreadable_file", "8": "unreadable_file"}


@pytest.mark.parametrize("form", ["binary", "struct"])
def test_parquet_of_bytes_over_several_row_groups(tmp_path: Path, form: str) -> None:
    cells: list[Any] = [*PHOTOS.values(), None]
    if form == "struct":
        cells = [{"bytes": data, "path": "x.jpg"} for data in cells]
    pq.write_table(
        pa.table({"id": [*PHOTOS, "none"], "image": cells}), tmp_path / "t.parquet", row_group_size=3
    )
    assert read(tmp_path / "t.parquet") == {**PHOTOS, "none": "empty_file"}
    items = list(list_source(str(tmp_path / "t.parquet")))
    reader = Reader(10_000, None, no_fetcher)
    assert list(reader.read(items[4:6])) == [PHOTOS["p4.jpg"], PHOTOS["p5.jpg"]]
    reader.close()


def test_parquet_of_paths_and_a_named_column(folder: Path) -> None:
    names = [f"{name[1]}/{name}" for name in PHOTOS]
    pq.write_table(pa.table({"where": names}), folder / "t.parquet")
    with pytest.raises(ConfigError, match="which column"):
        list(list_source(str(folder / "t.parquet")))
    found = read(folder / "t.parquet", "where")
    assert list(found.values()) == list(PHOTOS.values())
    assert next(iter(found)) == "t.parquet#0"


def test_addresses_are_fetched_by_the_rules_of_the_service(tmp_path: Path) -> None:
    from src.inference.remote import Fetcher

    (tmp_path / "list.csv").write_text(
        "id,url\n1,https://elsewhere.example/a.jpg\n2,http://shop.example/b.jpg\n"
    )
    items = list(list_source(str(tmp_path / "list.csv")))
    fetchers = []

    def fetcher() -> Fetcher:
        fetchers.append(Fetcher(["shop.example"], max_bytes=1000, timeout_s=5.0))
        return fetchers[-1]

    reader = Reader(1000, None, fetcher)
    codes = [error.code for error in reader.read(items) if isinstance(error, DetectorError)]
    reader.close()
    assert codes == ["url_not_allowed", "url_not_allowed"]
    assert len(fetchers) == 1


@pytest.mark.parametrize(
    "place",
    [
        "HTTP://169.254.169.254/latest/a.jpg",
        "simplecache::http://169.254.169.254/a.jpg",
        "s3://bucket/a.jpg::http://169.254.169.254/a.jpg",
        "github://owner:repository@/a.jpg",
        "ftp://shop.example/a.jpg",
    ],
)
def test_a_row_cannot_go_around_the_rules_by_an_address_that_only_a_library_knows(
    tmp_path: Path, place: str
) -> None:
    from src.inference.remote import Fetcher

    (tmp_path / "list.csv").write_text(f"id,url\n1,{place}\n")
    items = list(list_source(str(tmp_path / "list.csv")))
    reader = Reader(1000, None, lambda: Fetcher(["shop.example"], max_bytes=1000, timeout_s=5.0))
    (error,) = reader.read(items)
    reader.close()
    assert isinstance(error, DetectorError)
    assert error.code == "url_not_allowed"


def test_a_place_that_no_system_takes_is_a_row_with_a_code(folder: Path) -> None:
    pq.write_table(pa.table({"path": ["a\0b.jpg", "3/p3.jpg", "x" * 5000]}), folder / "t.parquet")
    assert list(read(folder / "t.parquet").values()) == [
        "unreadable_file",
        PHOTOS["p3.jpg"],
        "unreadable_file",
    ]


def test_a_store_whose_library_fails_in_its_own_way_is_a_row_with_a_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class NoCredentialsError(Exception):
        """As the libraries of buckets raise: no OSError."""

    asked = []

    def fail(self: MemoryFileSystem, path: str, **_: Any) -> bytes:
        asked.append(path)
        raise NoCredentialsError

    monkeypatch.setattr("src.scan.readers._PAUSE_S", 0.0)
    monkeypatch.setattr(MemoryFileSystem, "cat_file", fail)
    items = [Item("1", "file", "memory://x/a.jpg")]
    reader = Reader(1000, None, no_fetcher)
    (error,) = reader.read(items)
    reader.close()
    assert isinstance(error, DetectorError)
    assert (error.code, len(asked)) == ("unreadable_file", 3)


def test_a_tar_header_that_leads_backwards_ends_the_listing(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "t.tar", {"a.jpg": b"whole", "b.jpg": b"z" * 600})
    with tarfile.open(tar) as opened:
        place = opened.getmember("b.jpg").offset
    data = bytearray(tar.read_bytes())
    data[place + 124 : place + 136] = (-2048).to_bytes(12, "big", signed=True)  # base 256, negative
    data[place + 148 : place + 156] = b" " * 8
    data[place + 148 : place + 156] = b"%06o\0 " % sum(data[place : place + 512])
    tar.write_bytes(data)
    found = read(tar)
    assert found["t.tar/a.jpg"] == b"whole"
    assert set(found) == {"t.tar/a.jpg", "t.tar"}


def test_too_large_and_empty_are_codes(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x" * 200)
    (tmp_path / "b.jpg").write_bytes(b"")
    (tmp_path / "c.jpg").write_bytes(b"y" * 100)
    assert read(tmp_path, max_bytes=100) == {
        "a.jpg": "file_too_large",
        "b.jpg": "empty_file",
        "c.jpg": b"y" * 100,
    }


def test_a_tar_file_that_is_cut_off_gives_what_it_has_and_a_row_for_itself(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "t.tar", {"a.jpg": b"whole", "b.jpg": b"z" * 5000})
    with tar.open("r+b") as file:
        file.truncate(4000)
    found = read(tar)
    assert found.pop("t.tar") == tar.read_bytes()  # which is no photo, and so a row with an error
    assert found == {"t.tar/a.jpg": b"whole", "t.tar/b.jpg": "unreadable_file"}


def test_a_damaged_table_among_photos_is_a_row_with_an_error(folder: Path) -> None:
    (folder / "9.parquet").write_bytes(b"nonsense" * 100)
    found = read(folder)
    assert found.pop("9.parquet") == b"nonsense" * 100  # which is no photo
    assert len(found) == len(PHOTOS)


def test_a_bucket_is_listed_and_read_like_a_folder(folder: Path, tmp_path: Path) -> None:
    MemoryFileSystem.store.clear()
    bucket = MemoryFileSystem()
    for name, data in PHOTOS.items():
        bucket.pipe_file(f"/shop/{name[1]}/{name}", data)
    bucket.pipe_file("/shop/t.tar", write_tar(tmp_path / "t.tar", {"in.jpg": b"inside"}).read_bytes())
    found = read("memory://shop")
    assert found == {f"{name[1]}/{name}": data for name, data in PHOTOS.items()} | {"t.tar/in.jpg": b"inside"}
    assert set(read("memory://shop/*/p1.jpg").values()) == {PHOTOS["p1.jpg"]}
    MemoryFileSystem.store.clear()


@pytest.mark.parametrize("name", ["gone", "gone/*.jpg/x", "a.tar.gz", "bad.parquet"])
def test_what_cannot_be_listed_is_said(tmp_path: Path, name: str) -> None:
    for bad in ("a.tar.gz", "bad.parquet"):
        (tmp_path / bad).write_bytes(b"nonsense" * 100)
    if "*" in name:
        assert list(list_source(str(tmp_path / name))) == []
        return
    with pytest.raises(ConfigError):
        list(list_source(str(tmp_path / name)))
