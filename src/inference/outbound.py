"""Calls to addresses that a client names, without becoming the client's way into our network.

Only listed hosts; the name is resolved once, every address must be public, and the connection goes to the
very address that was checked, while the certificate is checked against the name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ssl import SSLContext

import httpx

from src.inference.addresses import Address, Resolver, is_public
from src.utils.errors import UrlError

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]

_AGENT = "product-photo-detector"
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Target:
    """An address whose host is on the list.

    Attributes:
        url: As it was named.
        host: Its name, in lower case.
        port: Its own, or that of its scheme.
    """

    url: httpx.URL
    host: str
    port: int


class Gate:
    """Lets calls out to listed hosts of the public internet.

    Args:
        hosts: `img.shop.example`, `*.shop.example` for all below it, `img.shop.example:8443` for a port.
        tls: Who is believed to be who; building one takes long, so it is built once.
        schemes: What an address may begin with.
        resolver: Finds addresses of a name.
        may_call: Which addresses may be called.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        tls: SSLContext | None = None,
        schemes: Sequence[str] = ("https",),
        resolver: Resolve | None = None,
        may_call: Callable[[Address], bool] = is_public,
    ) -> None:
        self._hosts = tuple(host.lower() for host in hosts)
        self._tls = tls or httpx.create_ssl_context()
        self._schemes = schemes
        self._resolve = resolver or Resolver(8)
        self._may_call = may_call

    def check(self, url: str) -> Target:
        """Check an address by its words alone.

        Raises:
            UrlError: `url_not_allowed`.
        """
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise UrlError("url_not_allowed", "this is no address") from error
        if parsed.scheme not in self._schemes:
            raise UrlError("url_not_allowed", f"the address must begin with {self._schemes[0]}://")
        if parsed.userinfo:
            raise UrlError("url_not_allowed", "the address must not hold a name or password")
        host = parsed.host.lower().rstrip(".")
        default = _DEFAULT_PORTS[parsed.scheme]
        port = parsed.port or default
        if not any(_matches(host, port, default, entry) for entry in self._hosts):
            raise UrlError("url_not_allowed", "this host is not on the list of allowed hosts")
        return Target(parsed, host, port)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        target: Target,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        content: bytes | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Call a checked address; redirects are not followed, the answer's body is not read.

        Raises:
            UrlError: `url_not_allowed`: its name leads to an address that is not public; `url_unreachable`.
            OverloadedError: Too many names are being looked up.
            httpx.HTTPError: The connection failed.
        """
        addresses = await self._resolve(target.host, target.port)
        if not addresses or not all(self._may_call(address) for address in addresses):
            raise UrlError("url_not_allowed", "this host leads to an address that is not public")
        own = {"Host": target.url.netloc.decode("ascii"), "Accept-Encoding": "identity", "User-Agent": _AGENT}
        # A connection is never used again: the next name at this address has to prove itself anew.
        async with (
            httpx.AsyncClient(
                verify=self._tls,
                trust_env=False,
                timeout=timeout_s,
                limits=httpx.Limits(max_keepalive_connections=0),
            ) as client,
            client.stream(
                method,
                target.url.copy_with(host=str(addresses[0])),
                headers={**own, **headers},
                content=content,
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
            yield response


def _matches(host: str, port: int, default: int, entry: str) -> bool:
    name, colon, own_port = entry.rpartition(":")
    if not (colon and own_port.isdecimal()):
        name, own_port = entry, str(default)
    if str(port) != own_port:
        return False
    return host.endswith(name[1:]) if name.startswith("*.") else host == name
