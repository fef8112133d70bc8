"""Addresses come in, verified originals go out: parallel HTTP with resume, retries and sha256 checks.

A file under its final name is always whole and verified; what is under way lies beside it as `.part` and is
continued by a range request, in this run or the next.
"""

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from urllib.parse import quote

import httpx
import structlog
from pydantic import BaseModel, ConfigDict, Field

from src.data.layout import original_path
from src.data.manifest import PhotoRecord

DEFAULT_BASE_URL = "https://raw.githubusercontent.com"

# Worth another try: the server is busy, restarting or rate-limiting. Any other refusal will stay.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK = 1 << 16

log = structlog.get_logger(__name__)


class FetchOptions(BaseModel):
    """How to fetch: from where, over how many connections, and how patiently. Times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = DEFAULT_BASE_URL
    connections: Annotated[int, Field(ge=1, le=64)] = 8
    attempts: Annotated[int, Field(ge=1)] = 5
    backoff: Annotated[float, Field(ge=0)] = 1.0
    max_wait: Annotated[float, Field(ge=0)] = 60.0
    timeout: Annotated[float, Field(gt=0)] = 30.0
    max_bytes: Annotated[int, Field(gt=0)] = 256 * 2**20


class Outcome(NamedTuple):
    """What became of one photo; `error` is empty unless `status` is "failed"."""

    record: PhotoRecord
    status: Literal["present", "fetched", "failed"]
    error: str = ""


class _PassingError(Exception):
    """Another try may succeed; `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _FinalError(Exception):
    """Another try would give the same answer."""


def source_url(record: PhotoRecord, base_url: str) -> str:
    """The address of the untouched original: `{base_url}/{repo}/{commit}/{repo_path}`, quoted."""
    return f"{base_url.rstrip('/')}/{record.repo}/{record.commit}/{quote(record.repo_path)}"


def fetch_originals(
    records: Sequence[PhotoRecord],
    raw_dir: Path,
    options: FetchOptions,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Outcome]:
    """Bring the originals of `records` under `raw_dir`, one `Outcome` each, in order of `records`.

    Nothing is raised for a photo that cannot be had: it is reported, and the others go on. Leaving the
    iterator early (Ctrl-C) drops what has not begun; what is under way ends its current file.
    """
    limits = httpx.Limits(max_connections=options.connections, max_keepalive_connections=options.connections)
    # Without "identity" a range would count compressed bytes.
    headers = {"Accept-Encoding": "identity"}
    with httpx.Client(
        limits=limits, timeout=options.timeout, headers=headers, follow_redirects=True
    ) as client:
        pool = ThreadPoolExecutor(options.connections, thread_name_prefix="fetch")
        try:
            yield from pool.map(
                lambda record: _fetch_one(client, record, original_path(record, raw_dir), options, sleep),
                records,
            )
        finally:
            pool.shutdown(cancel_futures=True)


def _fetch_one(
    client: httpx.Client,
    record: PhotoRecord,
    target: Path,
    options: FetchOptions,
    sleep: Callable[[float], None],
) -> Outcome:
    if target.is_file():
        return Outcome(record, "present")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    url = source_url(record, options.base_url)
    error = ""
    for attempt in range(options.attempts):
        try:
            _download(client, url, part, options.max_bytes)
            _verify(part, record.sha256)
        except _FinalError as final:
            return Outcome(record, "failed", str(final))
        except _PassingError as passing:
            error = str(passing)
            log.debug("fetch_retry", photo_id=record.photo_id, attempt=attempt, error=error)
            if attempt + 1 < options.attempts:
                sleep(_wait(attempt, passing.wait, options))
        else:
            part.replace(target)
            return Outcome(record, "fetched")
    return Outcome(record, "failed", f"{error} ({options.attempts} attempts)")


def _wait(attempt: int, asked: float | None, options: FetchOptions) -> float:
    """Exponential back-off with full jitter (M. Brooker, 2015), but no less than the server asked for."""
    drawn = random.uniform(0.5, 1) * options.backoff * 2.0**attempt  # noqa: S311 - no secret depends on it
    return min(options.max_wait, max(drawn, asked or 0.0))


def _download(client: httpx.Client, url: str, part: Path, max_bytes: int) -> None:
    """Bring `part` up to the whole file, going on from what it holds already."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with client.stream("GET", url, headers=headers) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                # Nothing is left to send: the part is whole, or is not this file; the checksum will tell.
                return
            _check_status(response)
            goes_on = response.status_code == httpx.codes.PARTIAL_CONTENT
            if goes_on and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                part.unlink(missing_ok=True)
                raise _PassingError("the server sent another range than was asked for")
            size = have if goes_on else 0
            with part.open("ab" if goes_on else "wb") as file:
                for chunk in response.iter_bytes(_CHUNK):
                    size += len(chunk)
                    if size > max_bytes:
                        raise _FinalError(f"larger than {max_bytes} bytes")
                    file.write(chunk)
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise _PassingError(f"{type(error).__name__}: {error}") from error
    except (httpx.InvalidURL, httpx.TooManyRedirects) as error:
        raise _FinalError(f"{type(error).__name__}: {error}") from error


def _check_status(response: httpx.Response) -> None:
    if response.is_success:
        return
    reason = f"HTTP {response.status_code}"
    if response.status_code not in _PASSING:
        raise _FinalError(reason)
    asked = response.headers.get("Retry-After", "")
    raise _PassingError(reason, float(asked) if asked.isdigit() else None)


def _verify(part: Path, sha256: str) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        # Whatever is wrong in it, going on from it cannot make it right.
        part.unlink()
        raise _PassingError(f"sha256 is {found[:12]}…, expected {sha256[:12]}…")
