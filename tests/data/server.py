"""A file server on the loopback interface that misbehaves as told, once for each fault."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Fault(NamedTuple):
    """How one answer goes wrong: another status, a body that ends early, or one with other bytes."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    corrupt: bool = False
    wrong_range: bool = False


class FileServer(ThreadingHTTPServer):
    """Serves `files`; each path first works off its `faults`; `seen` lists (path, Range) of all requests."""

    daemon_threads = True

    def __init__(self, *, ranges: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.seen: list[tuple[str, str | None]] = []
        self.ranges = ranges

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up early is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: FileServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.seen.append((self.path, asked))
        faults = self.server.faults[self.path]
        fault = faults.pop(0) if faults else Fault()
        data = self.server.files.get(self.path)
        if fault.status or data is None:
            return self._send(fault.status or 404, b"no", fault)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if start >= len(data):
            return self._send(416, b"", fault)
        if fault.corrupt:
            data = bytes(255 - byte for byte in data)
        if start == 0:
            return self._send(200, data, fault)
        first = 0 if fault.wrong_range else start
        return self._send(
            206, data[first:], fault, ("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        )

    def _send(self, status: int, body: bytes, fault: Fault, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, *fault.headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault.cut else body)
        self.close_connection = self.close_connection or fault.cut


@contextmanager
def serving(*, ranges: bool = True) -> Iterator[FileServer]:
    """A running `FileServer` that is gone afterwards."""
    with FileServer(ranges=ranges) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
