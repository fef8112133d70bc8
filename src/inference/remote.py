"""Fetches a photo from an address that a client names, without becoming the client's way into our network.

Only listed hosts; the name is resolved once, every address must be public, and the connection goes to the
very address that was checked; redirects are checked like the first address; bytes and time are bounded.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from ssl import SSLContext
from urllib.parse import urljoin

import httpx

from src.inference.addresses import Address, Resolver, is_public
from src.inference.budget import Lease
from src.inference.outbound import Gate, Resolve
from src.inference.upload import SentPhoto
from src.utils.errors import EmptyImage, ImageTooLarge, OverloadedError, UrlError

_MAX_REDIRECTS = 3
_REDIRECTS = {301, 302, 303, 307, 308}


class Fetcher:
    """Fetches photos.

    Args:
        hosts: `img.shop.example`, `*.shop.example` for all below it, `img.shop.example:8443` for a port.
        max_bytes: Largest photo.
        timeout_s: Seconds for all of it, redirects included.
        concurrency: Photos fetched at once.
        tls: Who is believed to be who; building one takes long, so it is built once.
        schemes: What an address may begin with.
        resolver: Finds addresses of a name.
        may_call: Which addresses may be called.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        max_bytes: int,
        timeout_s: float,
        concurrency: int = 8,
        tls: SSLContext | None = None,
        schemes: Sequence[str] = ("https",),
        resolver: Resolve | None = None,
        may_call: Callable[[Address], bool] = is_public,
    ) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._gate = Gate(
            hosts,
            tls=tls,
            schemes=schemes,
            resolver=resolver or Resolver(concurrency),
            may_call=may_call,
        )
        self._room = concurrency

    async def fetch(self, url: str, lease: Lease) -> SentPhoto:
        """Fetch a photo.

        Args:
            url: As the client sent it.
            lease: Pays for its bytes.

        Raises:
            UrlError: `url_not_allowed` or `url_unreachable`.
            ImageTooLarge: The photo is over the limit; the rest of it was not fetched.
            EmptyImage: There are no bytes.
            OverloadedError: Too many photos are being fetched, or all uploads together hold too many bytes.
        """
        if self._room == 0:
            raise OverloadedError("too many photos are being fetched; try again in a moment")
        self._room -= 1
        try:
            return await self._fetch(url, lease)
        finally:
            self._room += 1

    async def _fetch(self, url: str, lease: Lease) -> SentPhoto:
        try:
            async with asyncio.timeout(self._timeout_s):
                for _ in range(_MAX_REDIRECTS + 1):
                    found = await self._get(url, lease)
                    if isinstance(found, SentPhoto):
                        return found
                    url = _joined(url, found)
        except TimeoutError as error:
            message = f"the photo did not arrive within {self._timeout_s:g} s"
            raise UrlError("url_unreachable", message) from error
        except httpx.HTTPError as error:
            raise UrlError(
                "url_unreachable", f"the host could not be asked: {type(error).__name__}"
            ) from error
        raise UrlError("url_unreachable", f"the address redirects more than {_MAX_REDIRECTS} times")

    async def _get(self, url: str, lease: Lease) -> SentPhoto | str:
        """Ask one address; returns the photo, or where it has moved to."""
        target = self._gate.check(url)
        async with self._gate.stream(
            "GET", target, headers={"Accept": "image/*"}, timeout_s=self._timeout_s
        ) as response:
            if response.status_code in _REDIRECTS:
                return str(response.headers.get("location", ""))
            if response.status_code != 200:
                raise UrlError("url_unreachable", f"the host answered {response.status_code}")
            return await self._read(response, lease)

    async def _read(self, response: httpx.Response, lease: Lease) -> SentPhoto:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise UrlError("url_unreachable", "the host packed the photo although it was asked not to")
        data, digest = bytearray(), hashlib.sha256()
        async for piece in response.aiter_raw():
            if len(data) + len(piece) > self._max_bytes:
                raise ImageTooLarge("file_too_large", f"The file is larger than {self._max_bytes} bytes.")
            lease.take(len(piece))
            data += piece
            digest.update(piece)
        if not data:
            raise EmptyImage
        return SentPhoto(bytes(data), digest.hexdigest())


def _joined(url: str, location: str) -> str:
    """Where a redirect leads.

    Raises:
        UrlError: It leads to something that is no address.
    """
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise UrlError(
            "url_unreachable", "the photo's address redirects to something that is none"
        ) from error
