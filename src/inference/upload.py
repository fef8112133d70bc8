"""A multipart request body in, the bytes of its photos and its text fields out, within fixed bounds.

The body is counted while it streams and refused in mid-stream; neither the declared length nor the declared
types nor the file's name are trusted or used. Nothing is written to disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from src.inference.arrivals import Arrivals
from src.inference.budget import Lease
from src.utils.errors import ImageTooLarge, RequestError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_FRAMING_BYTES = 64 * 1024
"""What boundaries, part headers and text fields may add to the photo."""
_FIELD_BYTES = 1024
_SPARE_PARTS = 7
"""Parts that a form may hold beside its photos."""


@dataclass(frozen=True, slots=True)
class SentPhoto:
    """A file as it came.

    Attributes:
        data: Its bytes.
        digest: Their SHA-256 in hex, counted while they came.
    """

    data: bytes
    digest: str

    @classmethod
    def of(cls, data: bytes) -> SentPhoto:
        """Take bytes that came another way; hashes them, which takes long for many."""
        return cls(data, hashlib.sha256(data).hexdigest())


@dataclass(slots=True)
class Upload:
    """What a form held.

    Attributes:
        files: The file parts by the form field's name, in order.
        fields: Text of each other part by its name.
    """

    files: dict[str, list[SentPhoto]] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)

    def photos(self, name: str) -> list[SentPhoto]:
        """Return the files of a field.

        Raises:
            RequestError: `missing_file`: the form has no file part of this name.
        """
        if name not in self.files:
            raise RequestError("missing_file", f"the form must hold a file in the field {name!r}")
        return self.files[name]

    def photo(self, name: str) -> SentPhoto:
        """Return the one file of a field; raises as `photos` does."""
        return self.photos(name)[0]

    def file(self, name: str) -> bytes:
        """Return the content of a field's one file; raises as `photos` does."""
        return self.photo(name).data


async def read_upload(
    request: Request,
    *,
    max_bytes: int,
    timeout_s: float,
    max_files: int = 1,
    max_total: int | None = None,
    lease: Lease | None = None,
    arrivals: Arrivals | None = None,
) -> Upload:
    """Read a `multipart/form-data` body.

    Args:
        request: Its body must not have been read.
        max_bytes: Largest file.
        timeout_s: Seconds until the whole body must be there.
        max_files: Most files; only with more than one may a field hold several.
        max_total: Largest body, where it may hold several files.
        lease: Pays for the bytes that are held.
        arrivals: Cuts the body off when the service goes down.

    Raises:
        RequestError: `not_multipart`, `malformed_body`, `too_many_files`, `upload_timeout` or
            `client_disconnected`.
        ImageTooLarge: The body or a file is over the limit; the rest of it has not been read.
        OverloadedError: All uploads together hold too many bytes.
        ShuttingDownError: The service goes down.
    """
    boundary = _boundary(request.headers)
    total = max_total or max_bytes
    limit = total + _FRAMING_BYTES
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise _too_large(total)
    form = _Form(boundary, max_bytes, max_files)
    try:
        async with (arrivals or Arrivals()).within(timeout_s):
            async for chunk in _counted(request, limit, total):
                if lease is not None:
                    lease.take(len(chunk))
                form.feed(chunk)
    except TimeoutError as error:
        raise RequestError("upload_timeout", f"the body did not arrive within {timeout_s:g} s") from error
    except ClientDisconnect as error:
        raise RequestError(
            "client_disconnected", "the client hung up before its body was complete"
        ) from error
    return form.finish()


def _boundary(headers: Headers) -> bytes:
    kind, options = parse_options_header(headers.get("content-type", "").encode("latin-1"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise RequestError("not_multipart", "send the photo as multipart/form-data with a boundary")
    return boundary


async def _counted(request: Request, limit: int, total: int) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise _too_large(total)
        yield chunk


def _too_large(max_bytes: int) -> ImageTooLarge:
    return ImageTooLarge("file_too_large", f"The file is larger than {max_bytes} bytes.")


class _Form:
    """Feeds a push parser and collects the parts."""

    def __init__(self, boundary: bytes, max_bytes: int, max_files: int) -> None:
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._on_header_name,
            "on_header_value": self._on_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._on_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._files = 0
        self._upload = Upload()
        self._parts = 0
        self._complete = False
        self._begin_part()
        self._parts = 0
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise _malformed() from error

    def feed(self, chunk: bytes) -> None:
        """Parse the next piece of the body."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed() from error

    def finish(self) -> Upload:
        """Return what was sent; a body without its closing boundary is refused: it may have been cut."""
        if not self._complete:
            raise _malformed()
        return self._upload

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > self._max_files + _SPARE_PARTS:
            raise RequestError("malformed_body", "the form has too many parts")
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._disposition = b""
        self._data = bytearray()
        self._hash = hashlib.sha256()
        self._is_file = False

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise RequestError("malformed_body", "a part of the form has no name")
        self._name = options[b"name"].decode("utf-8", "replace")
        self._is_file = b"filename" in options
        self._files += self._is_file
        # One photo too many in a form for one is a field sent twice, which is told when the part ends.
        if self._files > self._max_files > 1:
            raise RequestError("too_many_files", f"the form holds more than {self._max_files} photos")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        size = len(self._data) + end - start
        if self._is_file and size > self._max_bytes:
            raise _too_large(self._max_bytes)
        if not self._is_file and size > _FIELD_BYTES:
            raise RequestError("malformed_body", f"a text field is longer than {_FIELD_BYTES} bytes")
        piece = data[start:end]
        self._data += piece
        if self._is_file:
            self._hash.update(piece)

    def _end_part(self) -> None:
        again = self._name in self._upload.files and (self._max_files == 1 or not self._is_file)
        if again or self._name in self._upload.fields:
            raise RequestError("malformed_body", "the form holds a field twice; send one photo a request")
        if self._is_file:
            photo = SentPhoto(bytes(self._data), self._hash.hexdigest())
            self._upload.files.setdefault(self._name, []).append(photo)
            self._data = bytearray()
        else:
            self._upload.fields[self._name] = self._data.decode("utf-8", "replace")

    def _end(self) -> None:
        self._complete = True


def _malformed() -> RequestError:
    return RequestError("malformed_body", "the multipart body is damaged or cut short")
