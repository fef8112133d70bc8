"""Photos of a catalogue: archives that want to do harm stay bounded, and every file is accounted for."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from src.ui.sources import BadSource, Item, Limits, from_csv, from_files, from_zip, open_zip

LIMITS = Limits(photos=5, photo_bytes=1000, total_bytes=3000)


def archive(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return stream.getvalue()


def unpack(data: bytes, limits: Limits = LIMITS) -> list[Item]:
    return list(from_zip(open_zip(data), limits))


def codes(items: list[Item]) -> list[str | None]:
    return [None if item.problem is None else item.problem.code for item in items]


def test_photos_of_an_archive_come_in_order_with_their_names() -> None:
    found = unpack(archive({"b.jpg": b"1", "in/a.png": b"22"}))
    assert [(item.name, item.photo) for item in found] == [("b.jpg", b"1"), ("in/a.png", b"22")]


def test_folders_and_what_systems_add_are_no_photos() -> None:
    files = {"in/": b"", "__MACOSX/._a.jpg": b"x", ".DS_Store": b"x", "in/._a.jpg": b"x", "a.jpg": b"1"}
    assert [item.name for item in unpack(archive(files))] == ["a.jpg"]


def test_a_file_that_unpacks_to_more_than_a_photo_is_left_out_and_the_rest_is_not() -> None:
    bomb = archive({"bomb.jpg": bytes(50_000_000), "a.jpg": b"1"})
    assert len(bomb) < 100_000
    found = unpack(bomb)
    assert codes(found) == ["zip_file_too_large", None]
    assert "1.0 kB" in found[0].problem.detail


def test_what_the_directory_says_of_a_size_is_not_believed() -> None:
    data = bytearray(archive({"bomb.jpg": bytes(200_000)}))
    place = data.rindex(b"PK\x01\x02") + 24
    data[place : place + 4] = struct.pack("<I", 10)
    (item,) = unpack(bytes(data))
    assert item.problem is not None or len(item.photo) <= 10


def test_all_files_together_are_bounded() -> None:
    found = unpack(archive({f"{number}.jpg": bytes(1000) for number in range(5)}))
    assert codes(found) == [None, None, None, "zip_too_large", "zip_too_large"]


def test_no_more_photos_than_a_catalogue_holds() -> None:
    found = unpack(archive({f"{number}.jpg": b"1" for number in range(7)}))
    assert codes(found) == [None] * 5 + ["too_many"] * 2
    files = [(f"{number}.jpg", b"1") for number in range(6)]
    assert codes(list(from_files(files, LIMITS))) == [None] * 5 + ["too_many"]


def test_a_damaged_file_is_left_out_and_the_rest_is_not() -> None:
    data = bytearray(archive({"a.jpg": b"A" * 100, "b.jpg": b"B" * 100}, zipfile.ZIP_STORED))
    data[data.index(b"AAAA")] ^= 0xFF
    assert codes(unpack(bytes(data))) == ["zip_damaged_file", None]


def test_a_protected_file_is_told() -> None:
    data = bytearray(archive({"a.jpg": b"1"}, zipfile.ZIP_STORED))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    assert codes(unpack(bytes(data))) == ["zip_encrypted"]


def test_an_unknown_way_of_packing_is_told() -> None:
    data = bytearray(archive({"a.jpg": b"1"}, zipfile.ZIP_STORED))
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = data.index(mark) + offset
        data[place : place + 2] = struct.pack("<H", 97)
    assert codes(unpack(bytes(data))) == ["zip_method"]


@pytest.mark.parametrize("data", [b"", b"no archive", archive({"a.jpg": b"1"})[:-30]])
def test_what_is_no_archive_is_told_as_a_whole(data) -> None:
    with pytest.raises(BadSource) as caught:
        open_zip(data)
    assert caught.value.code == "zip_damaged"


def test_addresses_are_taken_from_the_first_column_that_has_any() -> None:
    table = "id,photo\n1,https://a.example/1.jpg\n2,\n3, http://a.example/3.jpg \n".encode("utf-8-sig")
    found = list(from_csv(table, LIMITS))
    assert [item.address for item in found] == ["https://a.example/1.jpg", "http://a.example/3.jpg"]


def test_other_schemes_are_no_addresses() -> None:
    with pytest.raises(BadSource) as caught:
        list(from_csv(b"file:///etc/passwd\nftp://a.example/x\n", LIMITS))
    assert caught.value.code == "csv_no_address"


@pytest.mark.parametrize("table", [b"\xff\xfe\x00", b'"open'])
def test_what_is_no_table_is_told(table) -> None:
    with pytest.raises(BadSource) as caught:
        list(from_csv(table, LIMITS))
    assert caught.value.code == "csv_unreadable"
