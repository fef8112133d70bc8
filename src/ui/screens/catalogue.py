"""Many photos at once: what to scan, the scan beside the page, its table with filters and exports."""

from __future__ import annotations

from collections.abc import Iterator

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from src.client import ApiError, Prediction
from src.ui import states, table
from src.ui.gateway import Gateway, connect, policies_of, settings, takes_addresses
from src.ui.scan import Predict, Row, Scan
from src.ui.sources import Item, Limits, from_csv, from_files, from_zip, members, open_zip
from src.ui.strings import catalogue as text
from src.ui.strings import shared
from src.ui.wording import markdown, policy

_SCAN = "catalogue_scan"
_LOOK_S = 1.0
_RETRIES = 6
_LATEST = 8
_ROW_PX, _HEAD_PX, _TALLEST_PX = 56, 40, 640


def page() -> None:
    """Draw the page."""
    st.title(text.CATALOGUE_TITLE)
    st.markdown(text.CATALOGUE_LEAD)
    scan: Scan | None = st.session_state.get(_SCAN)
    if scan is None:
        _ask()
        return
    if st.button(text.SCAN_AGAIN, icon=":material/restart_alt:", key="catalogue_again"):
        scan.stop()
        del st.session_state[_SCAN]
        st.rerun()
    if scan.running:
        # This part alone draws itself anew while photos are judged.
        st.fragment(_watch, run_every=_LOOK_S)(scan)
        return
    _outcome(scan)
    if scan.rows():
        _results(scan.rows())


def _ask() -> None:
    gateway = connect()
    try:
        policies = list(policies_of(gateway.model()))
    except ApiError as error:
        states.show(error, "catalogue")
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        source = st.segmented_control(
            text.SOURCE,
            list(text.SOURCES),
            default="files",
            format_func=lambda name: text.SOURCES[str(name)],
            required=True,
        )
    with right:
        wanted = st.segmented_control(
            shared.POLICY,
            policies,
            default=policies[0] if policies else None,
            format_func=policy,
            help=shared.POLICY_HELP,
            required=True,
        )
    files = _files(str(source))
    if st.button(text.SCAN, type="primary", icon=":material/search:", disabled=not files):
        try:
            scan = _begin(str(source), files, wanted)
        except ApiError as error:
            st.error(error.detail)
            return
        st.session_state[_SCAN] = scan
        st.rerun()


def _files(source: str) -> list[UploadedFile]:
    label = text.SOURCE_UPLOADS[source]
    if source == "zip":
        given = st.file_uploader(label, type=["zip"], key="catalogue_zip")
    elif source == "csv":
        given = st.file_uploader(label, type=["csv", "txt"], key="catalogue_csv")
    elif source == "folder":
        return list(st.file_uploader(label, accept_multiple_files="directory", key="catalogue_folder"))
    else:
        return list(st.file_uploader(label, accept_multiple_files=True, key="catalogue_files"))
    return [given] if given is not None else []


def _begin(source: str, files: list[UploadedFile], wanted: str | None) -> Scan:
    own = settings()
    limits = Limits(own.catalogue_photos, own.photo_bytes, own.catalogue_bytes)
    # A catalogue has time: it waits where the service is short of room.
    gateway = connect(retries=_RETRIES)
    total = len(files)
    items: Iterator[Item]
    if source == "zip":
        archive = open_zip(files[0].getvalue())
        items, total = from_zip(archive, limits), len(members(archive))
    elif source == "csv":
        if not takes_addresses():
            raise ApiError("url_disabled", 403, text.CSV_OFF)
        found = list(from_csv(files[0].getvalue(), limits))
        items, total = iter(found), len(found)
    else:
        items = from_files([(file.name, file.getvalue()) for file in files], limits)
    scan = Scan(items, _predictor(gateway, wanted), total=total, workers=own.workers)
    scan.start()
    return scan


def _predictor(gateway: Gateway, wanted: str | None) -> Predict:
    def predict(item: Item) -> Prediction:
        if item.address is not None:
            return gateway.predict_url(item.address, policy=wanted)
        return gateway.predict(item.photo or b"", policy=wanted)

    return predict


def _watch(scan: Scan) -> None:
    if not scan.running:
        # The last look: from here on the whole page shows the result.
        st.rerun()
    rows = scan.rows()
    errors = sum(isinstance(row.outcome, ApiError) for row in rows)
    words = text.PROGRESS.format(done=len(rows), total=scan.total, errors=errors)
    st.progress(min(1.0, len(rows) / max(1, scan.total)), words)
    if st.button(text.STOP, icon=":material/stop:", key="catalogue_stop", disabled=scan.stopped):
        scan.stop()
    _show(rows[-_LATEST:][::-1])


def _outcome(scan: Scan) -> None:
    done = len(scan.rows())
    if scan.failed is not None:
        st.error(text.SCAN_BROKEN.format(reason=markdown(scan.failed.detail)))
    elif scan.stopped:
        st.info(text.SCAN_STOPPED.format(done=done))
    else:
        st.success(text.SCAN_DONE.format(done=done, seconds=f"{scan.seconds:.0f}"))


def _show(rows: list[Row]) -> None:
    names = text.TABLE
    st.dataframe(
        table.frame(rows, states.sentence_of),
        hide_index=True,
        row_height=_ROW_PX,
        height=min(_TALLEST_PX, _HEAD_PX + _ROW_PX * max(1, len(rows))),
        column_config={
            names["photo"]: st.column_config.ImageColumn(names["photo"], width="small"),
            names["verdict"]: st.column_config.TextColumn(names["verdict"], width=110),
            names["probability"]: st.column_config.ProgressColumn(
                names["probability"], format="%.0f %%", min_value=0, max_value=100
            ),
            names["needs_review"]: st.column_config.CheckboxColumn(names["needs_review"], width="small"),
            names["error"]: st.column_config.TextColumn(names["error"], width="medium"),
        },
    )


def _results(rows: list[Row]) -> None:
    counts = table.count(rows)
    show = st.segmented_control(
        text.SHOW,
        list(counts),
        default="all",
        format_func=lambda name: f"{text.COUNTS[name]} ({counts[name]})",
        required=True,
    )
    left, right = st.columns(2)
    search = left.text_input(text.SEARCH)
    sorts: list[table.Sort] = ["probability", "doubt", "name", "order"]
    sort = right.selectbox(text.SORT, sorts, format_func=lambda name: text.SORTS[str(name)])
    chosen = table.arrange(table.select(rows, show, search), sort)
    if not chosen:
        st.info(text.TABLE_EMPTY)
        return
    _show(chosen)
    plain = table.plain(chosen, states.sentence_of)
    with st.container(horizontal=True):
        st.download_button(
            text.EXPORT_CSV,
            table.to_csv(plain),
            file_name="catalogue.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            text.EXPORT_PARQUET,
            lambda: table.to_parquet(plain),
            file_name="catalogue.parquet",
            mime="application/vnd.apache.parquet",
            icon=":material/download:",
            on_click="ignore",
        )
