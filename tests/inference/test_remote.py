"""Photos by address: listed hosts, public addresses, pinned, bounded, and redirects are no way around."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from src.inference.addresses import Address, Resolver, is_public
from src.inference.budget import Budget
from src.inference.remote import Fetcher, _joined
from src.inference.upload import SentPhoto
from src.utils.errors import DetectorError, OverloadedError, UrlError
from tests.inference.test_api import RED
from tests.support.service import Client, quiet_settings, running

MB = 2**20


class Handler(BaseHTTPRequestHandler):
    asked: ClassVar[list[tuple[str, str]]] = []
    over = threading.Event()

    def do_GET(self) -> None:
        self.asked.append((self.headers["Host"], self.path))
        port = self.server.server_port
        if self.path.startswith("/to/"):
            self.reply(302, b"", Location=f"http://{self.path[4:]}")
        elif self.path.startswith("/hops/"):
            left = int(self.path[6:])
            self.reply(301, b"", Location=f"/hops/{left - 1}" if left else f"http://shop.test:{port}/a.png")
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"\0" * 65_536)
            except OSError:
                pass
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            self.over.wait(120)
        elif self.path == "/packed":
            self.reply(200, RED, **{"Content-Encoding": "gzip"})
        elif self.path == "/empty":
            self.reply(200, b"")
        elif self.path == "/a.png":
            self.reply(200, RED)
        else:
            self.reply(404, b"")

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not in the tests' output."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    Handler.asked.clear()


async def loopback(host: str, port: int) -> Sequence[Address]:
    return [ipaddress.ip_address("127.0.0.1")]


def fetch(url: str, port: int, budget: Budget | None = None, **changes: Any) -> SentPhoto:
    fields: dict[str, Any] = {
        "hosts": [f"shop.test:{port}", f"*.cdn.test:{port}"],
        "max_bytes": MB,
        "timeout_s": 60.0,
        "schemes": ("http",),
        "resolver": loopback,
        "may_call": lambda _: True,
    }
    options = fields | changes
    fetcher = Fetcher(options.pop("hosts"), **options)

    async def run() -> SentPhoto:
        with (budget or Budget(100 * MB)).lease() as lease:
            return await fetcher.fetch(url.replace("PORT", str(port)), lease)

    return asyncio.run(run())


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(DetectorError) as caught:
        call()
    return caught.value.code


def test_photo_arrives_byte_for_byte_from_the_host_that_was_named(port: int) -> None:
    assert fetch("http://shop.test:PORT/a.png", port) == SentPhoto.of(RED)
    assert Handler.asked == [(f"shop.test:{port}", "/a.png")]
    assert fetch("http://img.cdn.test:PORT/hops/2", port) == SentPhoto.of(RED)


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.test:PORT/a.png",
        "http://shop.test/a.png",  # another port
        "http://cdn.test:PORT/a.png",  # only what is below it is listed
        "http://evilcdn.test:PORT/a.png",
        "http://shop.test.evil.test:PORT/a.png",
        "http://shop.test:PORT@evil.test/a.png",
        "http://user:pass@shop.test:PORT/a.png",
        "http://127.0.0.1:PORT/a.png",
        "http://[::1]:PORT/a.png",
        "http://2130706433:PORT/a.png",
        "https://shop.test:PORT/a.png",
        "file:///etc/passwd",
        "gopher://shop.test:PORT/",
        "//shop.test:PORT/a.png",
        "http://shop.test:99999/",
        "http://",
        "nonsense",
        "http://shop.test\\@evil.test/",
    ],
)
def test_addresses_that_may_not_be_fetched_are_not_asked(port: int, url: str) -> None:
    assert code_of(lambda: fetch(url, port)) == "url_not_allowed"
    assert Handler.asked == []


@pytest.mark.parametrize("target", ["evil.test/a.png", "169.254.169.254/latest/meta-data", "127.0.0.1/a.png"])
def test_redirect_to_another_host_is_refused(port: int, target: str) -> None:
    assert code_of(lambda: fetch(f"http://shop.test:PORT/to/{target}", port)) == "url_not_allowed"
    assert len(Handler.asked) == 1


def test_redirect_to_no_address_is_the_addresss_fault() -> None:
    with pytest.raises(UrlError) as caught:
        _joined("http://shop.test/a", "//[bad")
    assert caught.value.code == "url_unreachable"


def test_name_that_leads_inside_is_refused_also_after_a_redirect_and_among_others(port: int) -> None:
    public, private = ipaddress.ip_address("93.184.215.14"), ipaddress.ip_address("10.0.0.5")

    async def inside(host: str, port: int) -> Sequence[Address]:
        return [private]

    async def mixed(host: str, port: int) -> Sequence[Address]:
        return [public, private]

    async def nothing(host: str, port: int) -> Sequence[Address]:
        return []

    for resolver in (inside, mixed, nothing, loopback):
        call = lambda: fetch("http://shop.test:PORT/a.png", port, resolver=resolver, may_call=is_public)  # noqa: B023, E731
        assert code_of(call) == "url_not_allowed"
    assert Handler.asked == []


def test_name_is_resolved_once_for_each_address_and_the_answer_is_what_is_called(port: int) -> None:
    answers = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("203.0.113.1")]
    asked = 0

    async def rebinding(host: str, port: int) -> Sequence[Address]:
        nonlocal asked
        asked += 1
        return [answers[asked - 1]]

    assert fetch("http://shop.test:PORT/a.png", port, resolver=rebinding) == SentPhoto.of(RED)
    assert asked == 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/endless", "file_too_large"),
        ("/packed", "url_unreachable"),
        ("/empty", "empty_file"),
        ("/missing", "url_unreachable"),
        ("/hops/9", "url_unreachable"),
        ("/to/", "url_unreachable"),
    ],
)
def test_hosts_that_answer_badly(port: int, path: str, code: str) -> None:
    assert code_of(lambda: fetch(f"http://shop.test:PORT{path}", port)) == code


def test_time_and_held_bytes_are_bounded(port: int) -> None:
    started = time.monotonic()
    assert code_of(lambda: fetch("http://shop.test:PORT/slow", port, timeout_s=0.1)) == "url_unreachable"
    assert time.monotonic() - started < 60  # the host would have kept it twice as long
    Handler.over.set()
    budget = Budget(100_000)
    with pytest.raises(OverloadedError):
        fetch("http://shop.test:PORT/endless", port, budget)
    assert budget.held == 0


def test_host_that_is_not_there(port: int) -> None:
    assert (
        code_of(lambda: fetch("http://shop.test:1/a.png", port, hosts=["shop.test:1"])) == "url_unreachable"
    )
    with pytest.raises(DetectorError, match="no address"):
        asyncio.run(Resolver(1)("no-such-host.invalid", 80))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07::1", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("192.0.0.8", False),
        ("198.18.0.1", False),
        ("203.0.113.7", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::a00:1", False),
        ("2002:7f00:1::", False),
        ("2001:0:53aa:64c:0:fbff:5600:1", False),
        ("168.63.129.16", False),
        ("168.63.129.17", True),
        ("::ffff:168.63.129.16", False),
        ("64:ff9b::a83f:8110", False),
        ("192.88.99.1", False),
        ("::ffff:192.88.99.1", False),
        ("fec0::1", False),
        ("feff::1", False),
        ("::7f00:1", False),
        ("::ffff:0:7f00:1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::1", False),
        ("2001:0:a00:1:0:0:f5ff:fffe", False),
        ("2606:2800:21f:cb07:0:5efe:a00:1", False),
        ("2606:2800:21f:cb07:200:5efe:7f00:1", False),
        ("3fff::1", False),
        ("2001:db8::1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


def test_fetches_beyond_the_bound_are_refused_at_once_and_make_room_again(port: int) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()

        async def waiting(host: str, port: int) -> Sequence[Address]:
            await gate.wait()
            return await loopback(host, port)

        fetcher = Fetcher(
            [f"shop.test:{port}"],
            max_bytes=MB,
            timeout_s=30,
            concurrency=2,
            schemes=("http",),
            resolver=waiting,
            may_call=lambda _: True,
        )
        with Budget(100 * MB).lease() as lease:
            url = f"http://shop.test:{port}/a.png"
            begun = [asyncio.create_task(fetcher.fetch(url, lease)) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(OverloadedError, match="fetched"):
                await fetcher.fetch(url, lease)
            gate.set()
            assert await asyncio.gather(*begun) == [SentPhoto.of(RED)] * 2
            assert await fetcher.fetch(url, lease) == SentPhoto.of(RED)

    asyncio.run(scenario())


def test_hanging_lookups_hold_up_no_other_work_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, released = threading.Event(), threading.Semaphore(0)

    def hanging(*_: Any, **__: Any) -> list[Any]:
        assert opened.wait(120)
        released.release()
        return [(0, 0, 0, "", ("fe80::1%eth0", 443))]

    monkeypatch.setattr("src.inference.addresses.socket.getaddrinfo", hanging)

    async def scenario() -> None:
        resolver = Resolver(2)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await resolver("slow.test", 443)
        with pytest.raises(OverloadedError, match="looked up"):
            await resolver("slow.test", 443)
        # The loop's own threads, of which there are few, are all free.
        free = [asyncio.to_thread(lambda: True) for _ in range(40)]
        assert all(await asyncio.wait_for(asyncio.gather(*free), 60))
        opened.set()
        for _ in range(2):
            assert await asyncio.to_thread(released.acquire, timeout=60)
        async with asyncio.timeout(60):
            while True:
                try:
                    assert await resolver("slow.test", 443) == [ipaddress.ip_address("fe80::1")]
                    break
                except OverloadedError:
                    await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_route_is_off_by_default_and_refuses_by_the_same_rules(client: Client, model_path: Path) -> None:
    body = {"url": "https://localhost/a.png"}
    off = client.post("/predict/url", json=body)
    assert (off.status_code, off.json()["code"]) == (403, "url_disabled")
    with running(quiet_settings(model_path, url_hosts=("localhost",))) as listed:
        refused = listed.post("/v1/predict/url", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "url_not_allowed")
        assert listed.post("/predict/url", json={"url": 5}).json()["code"] == "invalid_request"


def test_fetched_photo_is_judged(model_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def local(settings: Any) -> Fetcher:
        return Fetcher(
            [f"shop.test:{port}"],
            max_bytes=MB,
            timeout_s=5,
            schemes=("http",),
            resolver=loopback,
            may_call=lambda _: True,
        )

    monkeypatch.setattr("src.inference.service.make_fetcher", local)
    with running(quiet_settings(model_path)) as client:
        url = f"http://shop.test:{port}/a.png"
        reply = client.post("/predict/url", json={"url": url, "policy": "high_recall", "explain": True})
        assert reply.status_code == 200, reply.text
        assert (reply.json()["label"], reply.json()["policy"]) == ("ai_generated", "high_recall")
        assert "heatmap" in reply.json()["evidence"]
        assert client.post("/predict/url", json={"url": url}).headers["x-answer-source"] == "scorer"
        assert client.post("/predict/url", json={"url": url}).headers["x-answer-source"] == "cache"
