"""Bodies that are wrong, too large, slow or cut: always a 4xx, and never more is read than must be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from src.inference.upload import read_upload
from src.utils.errors import ImageTooLarge, RequestError
from tests.inference.test_api import BLUE, BOUNDARY, assert_problem
from tests.support.service import Client, quiet_settings, running

MB = 2**20


def part(name: str, content: bytes, filename: str | None = "a.jpg") -> bytes:
    extra = f'; filename="{filename}"' if filename is not None else ""
    header = f'--xyz\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
    return header.encode() + content + b"\r\n"


END = b"--xyz--\r\n"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", None, 415, "not_multipart"),
        (BLUE, "image/jpeg", 415, "not_multipart"),
        (b"{}", "application/json", 415, "not_multipart"),
        (part("file", BLUE) + END, "multipart/form-data", 415, "not_multipart"),
        (part("file", BLUE) + END, "multipart/form-data; boundary=", 415, "not_multipart"),
        (part("file", BLUE) + END, f"multipart/form-data; boundary={'b' * 400}", 400, "malformed_body"),
        (part("file", BLUE) + END, "multipart/form-data; boundary=other", 400, "malformed_body"),
        (b"", BOUNDARY, 400, "malformed_body"),
        (b"garbage", BOUNDARY, 400, "malformed_body"),
        (part("file", BLUE), BOUNDARY, 400, "malformed_body"),
        (part("file", BLUE)[:-100], BOUNDARY, 400, "malformed_body"),
        (b"--xyz\r\n\r\n" + BLUE + b"\r\n" + END, BOUNDARY, 400, "malformed_body"),
        (b"--xyz\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END, BOUNDARY, 400, "malformed_body"),
        (b"--xyz\r\nX-Long: " + b"h" * 9000 + b"\r\n\r\nx\r\n" + END, BOUNDARY, 400, "malformed_body"),
        (part("file", BLUE) * 2 + END, BOUNDARY, 400, "malformed_body"),
        (part("note", b"x" * 2000, None) + END, BOUNDARY, 400, "malformed_body"),
        (b"".join(part(f"f{i}", b"x") for i in range(9)) + END, BOUNDARY, 400, "malformed_body"),
        (END, BOUNDARY, 422, "missing_file"),
        (part("photo", BLUE) + END, BOUNDARY, 422, "missing_file"),
        (part("file", b"text", None) + END, BOUNDARY, 422, "missing_file"),
        (part("file", b"") + END, BOUNDARY, 422, "empty_file"),
    ],
)
def test_bodies_that_are_wrong(
    client: Client, body: bytes, content_type: str | None, status: int, code: str
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    assert_problem(client.post("/predict", content=body, headers=headers), status, code)


@pytest.mark.parametrize(
    "filename", ["../../../etc/passwd", "C:\\\\boot.ini", "", "%00", "a" * 3000, "\u202egpj.exe", "CON"]
)
def test_file_names_are_not_used(client: Client, filename: str) -> None:
    response = client.post(
        "/predict", content=part("file", BLUE, filename) + END, headers={"Content-Type": BOUNDARY}
    )
    assert response.status_code == 200


def test_one_byte_over_the_limit_is_refused_and_the_limit_itself_is_not(model_path: Path) -> None:
    with running(quiet_settings(model_path, max_bytes=len(BLUE) + 1000)) as client:
        assert client.predict(BLUE + b"\0" * 1000).status_code == 200
        response = client.predict(BLUE + b"\0" * 1001)
        assert_problem(response, 413, "file_too_large")
        assert response.headers["connection"] == "close"


class Sender:
    """A body in pieces, of which it remembers how many were taken."""

    def __init__(self, pieces: int, piece: bytes = b"\0" * 65_536, pause_s: float = 0.0) -> None:
        self.taken = 0
        self._pieces, self._piece, self._pause_s = pieces, piece, pause_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield part("file", b"")[:-2]
        for _ in range(self._pieces):
            self.taken += 1
            await asyncio.sleep(self._pause_s)
            yield self._piece


def post_stream(client: Client, sender: Sender, **headers: str) -> httpx.Response:
    return client.post("/predict", content=sender, headers={"Content-Type": BOUNDARY} | headers)


@pytest.mark.usefixtures("no_lingering")
@pytest.mark.parametrize("length", [None, "10", "0", "-5", "many"])
def test_streaming_body_is_refused_as_soon_as_it_is_too_long(model_path: Path, length: str | None) -> None:
    sender = Sender(pieces=10_000)
    headers = {} if length is None else {"Content-Length": length}
    with running(quiet_settings(model_path, max_bytes=MB)) as client:
        assert_problem(post_stream(client, sender, **headers), 413, "file_too_large")
    assert sender.taken <= 20


@pytest.mark.usefixtures("no_lingering")
def test_declared_length_over_the_limit_is_refused_unread(model_path: Path) -> None:
    sender = Sender(pieces=10)
    with running(quiet_settings(model_path, max_bytes=MB)) as client:
        assert_problem(post_stream(client, sender, **{"Content-Length": "9" * 30}), 413, "file_too_large")
    assert sender.taken == 0


def test_slow_sender_is_cut_off(model_path: Path) -> None:
    with running(quiet_settings(model_path, upload_timeout_s=0.05)) as client:
        response = post_stream(client, Sender(pieces=1000, piece=b"x", pause_s=0.01))
    assert_problem(response, 408, "upload_timeout")


def request_of(chunks: list[bytes], content_type: str = BOUNDARY, *, hang_up: bool = False) -> Request:
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.disconnect"} if hang_up else {"type": "http.request", "body": b""})

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def test_client_that_hangs_up() -> None:
    request = request_of([part("file", BLUE)[:50]], hang_up=True)
    with pytest.raises(RequestError) as caught:
        asyncio.run(read_upload(request, max_bytes=MB, timeout_s=1))
    assert caught.value.code == "client_disconnected"


@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(0, 500), max_size=8))
def test_file_arrives_byte_for_byte_however_it_is_cut_into_chunks(content: bytes, cuts: list[int]) -> None:
    body = part("policy", b"balanced", None) + part("file", content) + END
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = [body[start:stop] for start, stop in pairwise(edges)]
    upload = asyncio.run(read_upload(request_of(chunks), max_bytes=MB, timeout_s=5))
    assert upload.file("file") == content
    assert upload.fields == {"policy": "balanced"}


@settings(max_examples=200)
@given(body=st.binary(max_size=400), start=st.sampled_from([b"", b"--xyz\r\n", part("file", b"ab")]))
def test_no_garbage_raises_anything_but_a_typed_error(body: bytes, start: bytes) -> None:
    with suppress(RequestError, ImageTooLarge):
        asyncio.run(read_upload(request_of([start + body]), max_bytes=100, timeout_s=5))
