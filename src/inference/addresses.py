"""Names to addresses, and which addresses a photo may be fetched from: those of the internet at large."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from threading import BoundedSemaphore, Thread

from src.utils.errors import OverloadedError, UrlError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Addresses that carry another one inside (NAT64, 6to4, Teredo): what they lead to is not what they look like.
_WRAPPERS = ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
# What not all Pythons count as private, and what looks public and is not.
_OURS = (
    "192.0.0.0/24",  # assigned to protocols of routers and networks
    "192.88.99.0/24",  # relays of 6to4, whose other end is anybody's
    "168.63.129.16/32",  # Azure's own services, seen from each of its machines
    "100::/64",  # a hole
    "3fff::/20",  # for documentation
    "5f00::/16",  # segment routing within a network
    "fec0::/10",  # site-local
)
_CLOSED = tuple(ipaddress.ip_network(name) for name in (*_WRAPPERS, *_OURS))
_ISATAP = {0x00005EFE, 0x02005EFE}
"""Bits 64 to 95 of an address whose last 32 are an IPv4 address (RFC 5214), under any prefix."""


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet at large, and not to us, a neighbour or a machine's own."""
    if any(address in network for network in _CLOSED if network.version == address.version):
        return False
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that a packet to this one ends at, where it is not this one itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


class Resolver:
    """Looks names up by the system's resolver, on threads of its own.

    A lookup cannot be cancelled and may take half a minute; here it holds up neither other work nor the end
    of the process.

    Args:
        places: Lookups at once, those that nobody waits for any more included.
    """

    def __init__(self, places: int) -> None:
        self._places = BoundedSemaphore(places)

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        """Look a name up.

        Raises:
            UrlError: `url_unreachable`: there is no such name.
            OverloadedError: All places are taken.
        """
        if not self._places.acquire(blocking=False):
            raise OverloadedError("too many names are being looked up; try again in a moment")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[Address]] = loop.create_future()

        def tell(found: Sequence[Address] | UrlError) -> None:
            if answer.done():
                return  # nobody waits any more
            if isinstance(found, UrlError):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def work() -> None:
            try:
                found = look_up(host, port)
            finally:
                self._places.release()
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell, found)

        Thread(target=work, name="dns", daemon=True).start()
        return await answer


def look_up(host: str, port: int) -> Sequence[Address] | UrlError:
    """Ask the system's resolver; blocks. An error is returned, to be raised for who waits."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        failed = UrlError("url_unreachable", "the host has no address")
        failed.__cause__ = error
        return failed
    # A zone, as in fe80::1%eth0, is no part of the address.
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
