"""A client's address is believed only as far as the proxies in front are, and an open bind is seen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.inference.access.origin import arrives_openly, client_address, is_open, open_binds, parse_networks
from src.utils.errors import ConfigError

PROXIES = parse_networks(["10.0.0.0/8", "2001:db8::/32"])


def scope(peer: str | None, *forwarded: str) -> Any:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"type": "http", "client": (peer, 5) if peer is not None else None, "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["1.2.3.4"], "203.0.113.5"),  # no proxy of ours: its header is its own text
        ("10.1.1.1", ["1.2.3.4"], "1.2.3.4"),
        ("10.1.1.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),  # the client wrote 6.6.6.6 itself
        ("10.1.1.1", ["6.6.6.6", "1.2.3.4, 10.2.2.2"], "1.2.3.4"),
        ("10.1.1.1", ["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        ("10.1.1.1", ["1.2.3.4, nonsense"], "10.1.1.1"),
        ("10.1.1.1", [""], "10.1.1.1"),
        ("2001:db8::1", ["2001:4860::9"], "2001:4860::9"),
        ("::ffff:10.1.1.1", ["1.2.3.4"], "1.2.3.4"),
        (None, ["1.2.3.4"], ""),
    ],
)
def test_client_behind_proxies(peer: str | None, forwarded: list[str], client: str) -> None:
    assert client_address(scope(peer, *forwarded), PROXIES) == client


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=40), max_size=4))
def test_stranger_cannot_choose_its_address(forwarded: list[str]) -> None:
    assert client_address(scope("203.0.113.5", *forwarded), PROXIES) == "203.0.113.5"


def test_wrong_network_is_named() -> None:
    with pytest.raises(ConfigError, match="TRUSTED_PROXIES"):
        parse_networks(["10.0.0.0/8", "ten"])


@pytest.mark.parametrize(
    ("arguments", "environment", "found"),
    [
        (["uvicorn", "app", "--host", "127.0.0.1", "--port", "8000"], {}, []),
        (["uvicorn", "app"], {}, []),
        (["uvicorn", "app", "--host", "localhost"], {}, []),
        (["uvicorn", "app", "--host", "0.0.0.0"], {}, ["0.0.0.0"]),
        (["uvicorn", "app", "--host=192.168.1.4"], {}, ["192.168.1.4"]),
        (["uvicorn", "app", "--host", "::"], {}, ["::"]),
        (["uvicorn", "app", "--host", "::1"], {}, []),
        (["uvicorn", "app", "--host", ""], {}, [""]),
        (["uvicorn", "app", "--host", "myhost"], {}, ["myhost"]),
        (["gunicorn", "-b", "127.0.0.1:8000", "--bind", "[::]:80"], {}, ["[::]:80"]),
        (["gunicorn", "-b", ":8000"], {}, [":8000"]),
        (["hypercorn", "--bind", "unix:/run/x.sock"], {}, []),
        (["uvicorn", "app"], {"UVICORN_HOST": "0.0.0.0"}, ["0.0.0.0"]),
    ],
)
def test_open_binds(arguments: list[str], environment: dict[str, str], found: list[str]) -> None:
    assert open_binds(arguments, environment) == found


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", False), ("127.9.9.9", False), ("::1", False), ("10.0.0.1", True), ("0.0.0.0", True)],
)
def test_open_hosts(host: str, expected: bool) -> None:
    assert is_open(host) is expected
    assert arrives_openly({"server": (host, 80)}) is expected


def test_arrival_at_no_address_is_not_open() -> None:
    assert not arrives_openly({"server": ("/run/x.sock", None)})
    assert not arrives_openly({})
