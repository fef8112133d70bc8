"""Fetches a photo from an address that a client names, without becoming the client's way into our network.

Only listed hosts; the name is resolved once, every address must be public, and the connection goes to the
very address that was checked; redirects are checked like the first address; bytes and time are bounded.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ssl import SSLContext
from urllib.parse import urljoin

import httpx

from src.inference.addresses import Address, Resolver, is_public
from src.inference.budget import Lease
from src.inference.upload import SentPhoto
from src.utils.errors import EmptyImage, ImageTooLarge, OverloadedError, UrlError

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]

_MAX_REDIRECTS = 3
_REDIRECTS = {301, 302, 303, 307, 308}
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class _Target:
    url: httpx.URL
    host: str
    port: int


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
        self._hosts = tuple(host.lower() for host in hosts)
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._tls = tls or httpx.create_ssl_context()
        self._schemes = schemes
        self._resolve = resolver or Resolver(concurrency)
        self._room = concurrency
        self._may_call = may_call

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
                    found = await self._get(self._check(url), lease)
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

    def _check(self, url: str) -> _Target:
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise UrlError("url_not_allowed", "this is no address of a photo") from error
        if parsed.scheme not in self._schemes:
            raise UrlError("url_not_allowed", f"the address must begin with {self._schemes[0]}://")
        if parsed.userinfo:
            raise UrlError("url_not_allowed", "the address must not hold a name or password")
        host = parsed.host.lower().rstrip(".")
        default = _DEFAULT_PORTS[parsed.scheme]
        port = parsed.port or default
        if not any(_matches(host, port, default, entry) for entry in self._hosts):
            raise UrlError("url_not_allowed", "this host is not on the list of allowed hosts")
        return _Target(parsed, host, port)

    async def _get(self, target: _Target, lease: Lease) -> SentPhoto | str:
        """Ask one address; returns the photo, or where it has moved to."""
        addresses = await self._resolve(target.host, target.port)
        if not addresses or not all(self._may_call(address) for address in addresses):
            raise UrlError("url_not_allowed", "this host leads to an address that is not public")
        headers = {
            "Host": target.url.netloc.decode("ascii"),
            "Accept": "image/*",
            "Accept-Encoding": "identity",
            "User-Agent": "product-photo-detector",
        }
        # The certificate is checked against the name, the connection goes to the address that was checked.
        # A connection is never used again: the next name at this address has to prove itself anew.
        async with (
            httpx.AsyncClient(
                verify=self._tls,
                trust_env=False,
                timeout=self._timeout_s,
                limits=httpx.Limits(max_keepalive_connections=0),
            ) as client,
            client.stream(
                "GET",
                target.url.copy_with(host=str(addresses[0])),
                headers=headers,
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
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


def _matches(host: str, port: int, default: int, entry: str) -> bool:
    name, colon, own_port = entry.rpartition(":")
    if not (colon and own_port.isdecimal()):
        name, own_port = entry, str(default)
    if str(port) != own_port:
        return False
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


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
