"""Where a request comes from, and where the service listens: trusted proxies, and binds open to others."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from starlette._utils import get_route_path
from starlette.datastructures import Headers
from starlette.types import Scope

from src.utils.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOST_FLAGS = {"--host", "-b", "--bind"}
_HOST_VARIABLES = ("UVICORN_HOST",)
_FORWARDERS = ("forwarded", "x-forwarded-for", "x-real-ip")


def parse_networks(names: Sequence[str]) -> tuple[Network, ...]:
    """Read networks as `10.0.0.0/8`, or single addresses.

    Raises:
        ConfigError: One of them is none.
    """
    try:
        return tuple(ipaddress.ip_network(name, strict=False) for name in names)
    except ValueError as error:
        raise ConfigError(f"DETECTOR_TRUSTED_PROXIES: {error}") from error


def client_address(scope: Scope, trusted: Sequence[Network]) -> str:
    """Tell who sent a request.

    The last address of `X-Forwarded-For` that is no trusted proxy's is taken: all before it is the client's
    own text. Without a trusted proxy in front the header means nothing.
    """
    peer = (scope.get("client") or ("", 0))[0]
    if not _is_in(peer, trusted):
        return str(peer)
    hops = [
        hop.strip() for line in Headers(scope=scope).getlist("x-forwarded-for") for hop in line.split(",")
    ]
    for hop in reversed(hops):
        if _address(hop) is None:
            break  # beyond a hop that is no address nothing can be believed
        peer = hop
        if not _is_in(hop, trusted):
            break
    return str(peer)


def is_local(scope: Scope, trusted: Sequence[Network]) -> bool:
    """Whether a request was sent by a program on this very machine.

    A proxy on this machine that is not on the trusted list speaks for others: what it passes on is not local.
    """
    peer = (scope.get("client") or ("", 0))[0]
    headers = Headers(scope=scope)
    if any(name in headers for name in _FORWARDERS) and not _is_in(peer, trusted):
        return False
    address = _address(client_address(scope, trusted))
    return address is not None and address.is_loopback


def route_path(scope: Scope) -> str:
    """Return the path that the router sees: without the prefix under which a proxy offers the service.

    It is the router's own function, so that the gate and the router can never see two different paths.
    """
    return get_route_path(scope)


def is_open(host: str) -> bool:
    """Whether listening there is open to more than this machine; a name or nothing may mean any address."""
    if host == "localhost":
        return False
    address = _address(host)
    return address is None or not address.is_loopback


def open_binds(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Find the hosts beyond this machine that a server was told to listen on.

    Args:
        arguments: Of the process; uvicorn's `--host`, gunicorn's and hypercorn's `--bind` are known.
        environment: Of the process.
    """
    hosts = [environment[name] for name in _HOST_VARIABLES if name in environment]
    for flag, value in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, own = flag.partition("=")
        if name in _HOST_FLAGS:
            hosts.append(own if equals else value)
    return [host for host in hosts if is_open(_without_port(host))]


def arrives_openly(scope: Scope) -> bool:
    """Whether a request came in at an address beyond loopback, whatever the server was told."""
    host = (scope.get("server") or ("", None))[0]
    address = _address(str(host))
    return address is not None and not address.is_loopback


def _without_port(host: str) -> str:
    if host.startswith(("unix:", "fd://")):
        return "localhost"
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


def _is_in(host: str, networks: Sequence[Network]) -> bool:
    address = _address(host)
    return address is not None and any(address in network for network in networks)


def _address(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
