"""The catalogue page: what is scanned, progress, table, filters, exports, and files that nobody can judge."""

from __future__ import annotations

import io
import zipfile

import pytest

from src.client import ApiError
from src.ui.scan import Scan
from src.ui.strings import catalogue as text
from src.ui.strings import shared
from tests.support.pictures import photo_bytes
from tests.ui.conftest import words
from tests.ui.fakes import prediction

PATIENCE_S = 60


def begun(page, source: str, files: dict[str, bytes], kind: str = "image/jpeg"):
    if source != "files":
        page.segmented_control[0].set_value(source).run()
    uploader = page.file_uploader(key=f"catalogue_{source}")
    for name, data in files.items():
        uploader.upload(name, data, kind)
    page.run()
    scan_button(page).click().run()
    return page


def scan_button(page):
    return next(button for button in page.button if button.label == text.SCAN)


def done(page):
    scan: Scan = page.session_state["catalogue_scan"]
    assert scan.join(PATIENCE_S)
    page.run()
    assert not page.exception
    return page


def names(page) -> list[str]:
    return page.dataframe[0].value[text.TABLE["name"]].tolist()


def test_many_files_become_a_table_with_errors_per_file(opened, service) -> None:
    bad = b"no picture"
    service.verdicts[bad] = ApiError("unsupported_format", 415, "x")
    files = {f"{number}.jpg": photo_bytes(number, (40, 30)) for number in range(6)} | {"bad.txt": bad}
    page = done(begun(opened("catalogue"), "files", files))
    assert sorted(names(page)) == sorted(files)
    errors = page.dataframe[0].value.set_index(text.TABLE["name"])[text.TABLE["error"]]
    assert errors["bad.txt"] == shared.ERRORS["unsupported_format"]
    assert [button.label for button in page.download_button] == [text.EXPORT_CSV, text.EXPORT_PARQUET]


def test_filters_search_and_order_narrow_the_table(opened, service) -> None:
    files = {name: photo_bytes(number, (40, 30)) for number, name in enumerate(("b.jpg", "a.jpg", "ab.jpg"))}
    service.verdicts[files["a.jpg"]] = prediction(0.03)
    page = done(begun(opened("catalogue"), "files", files))
    assert names(page)[-1] == "a.jpg"
    page.segmented_control[0].set_value("real").run()
    assert names(page) == ["a.jpg"]
    page.segmented_control[0].set_value("all").run()
    page.selectbox[0].set_value("name").run()
    assert names(page) == ["a.jpg", "ab.jpg", "b.jpg"]
    page.text_input[0].set_value("AB").run()
    assert names(page) == ["ab.jpg"]
    page.text_input[0].set_value("zzz").run()
    assert text.TABLE_EMPTY in words(page)


def test_the_photos_of_an_archive_are_scanned(opened, service) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for number in range(3):
            packed.writestr(f"in/{number}.jpg", photo_bytes(number, (40, 30)))
    page = done(begun(opened("catalogue"), "zip", {"all.zip": stream.getvalue()}, "application/zip"))
    assert sorted(names(page)) == ["in/0.jpg", "in/1.jpg", "in/2.jpg"]


def test_what_is_no_archive_is_told_and_nothing_is_scanned(opened, service) -> None:
    page = begun(opened("catalogue"), "zip", {"all.zip": b"no archive"}, "application/zip")
    assert shared.FILE_LEFT_OUT["zip_damaged"] in words(page)
    assert "catalogue_scan" not in page.session_state


def test_addresses_are_scanned_where_the_service_fetches(opened, service) -> None:
    service.addresses = True
    table = b"url\nhttps://a.example/1.jpg\nhttps://a.example/2.jpg\n"
    page = done(begun(opened("catalogue"), "csv", {"list.csv": table}, "text/csv"))
    assert len(names(page)) == 2
    assert service.asked.count("predict_url") == 2


def test_addresses_are_refused_where_it_does_not(opened, service) -> None:
    page = begun(opened("catalogue"), "csv", {"list.csv": b"https://a.example/1.jpg\n"}, "text/csv")
    assert text.CSV_OFF in words(page)


def test_a_new_scan_begins_from_the_start(opened, service) -> None:
    page = done(begun(opened("catalogue"), "files", {"a.jpg": photo_bytes(1)}))
    page.button(key="catalogue_again").click().run()
    assert scan_button(page).disabled
    assert "catalogue_scan" not in page.session_state


def test_a_service_that_is_down_is_told(opened, service) -> None:
    service.fails["model"] = ApiError("unreachable", 0, "x")
    assert "does not answer" in words(opened("catalogue"))


@pytest.mark.parametrize("code", ["unreachable", "model_not_ready"])
def test_a_service_that_goes_away_costs_verdicts_and_not_the_scan(opened, service, code) -> None:
    page = opened("catalogue")
    service.fails["predict"] = ApiError(code, 0 if code == "unreachable" else 503, "x")
    page = done(begun(page, "files", {"a.jpg": photo_bytes(1), "b.jpg": photo_bytes(2)}))
    errors = page.dataframe[0].value[text.TABLE["error"]].tolist()
    assert len(errors) == 2
    assert all(errors)
