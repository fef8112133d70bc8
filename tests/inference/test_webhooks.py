"""Signed messages: as the specification says, to allowed hosts only, and tried again when that helps."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from src.inference.addresses import is_public
from src.inference.outbound import Gate
from src.inference.webhooks import DELAYS_S, Courier, Signer
from src.utils.errors import ConfigError, UrlError
from src.utils.settings import Settings

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
BODY = '{"type":"predict_job.done","name":"é"}'


class Receiver:
    """A real server of a caller's: keeps what it gets and answers by a list, then with 204."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], str]] = []
        self.answers: list[int] = []
        self.port = 0
        self.delay_s = 0.0

    @contextmanager
    def listening(self) -> Iterator[Receiver]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                receiver.got.append((dict(self.headers.items()), body))
                time.sleep(receiver.delay_s)
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                self.send_header("Location", f"http://caller.test:{receiver.port}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_port
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join(20)

    @property
    def url(self) -> str:
        return f"http://caller.test:{self.port}/hook"

    def courier(self, **changes: Any) -> Courier:
        """A courier that may call this receiver, though it is no public one."""

        async def resolve(_: str, __: int) -> list[ipaddress.IPv4Address]:
            return [ipaddress.IPv4Address("127.0.0.1")]

        gate = Gate(
            [f"caller.test:{self.port}"],
            schemes=("http",),
            resolver=resolve,
            may_call=changes.pop("may_call", lambda _: True),
        )
        options: dict[str, Any] = {"timeout_s": 20.0}
        return Courier(gate, Signer(SECRET), **(options | changes))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as receiver:
        yield receiver


def send(courier: Courier, url: str) -> str:
    return asyncio.run(courier.send(url, "msg", BODY))


def test_signature_is_the_specification_s() -> None:
    moment = datetime(2022, 11, 20, 1, 2, 3, 456, tzinfo=UTC)
    headers = Signer(SECRET).headers("msg_1", BODY, moment)
    content = f"msg_1.{int(moment.timestamp())}.{BODY}".encode()
    expected = base64.b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": f"v1,{expected}",
    }


def test_example_of_the_reference_implementation() -> None:
    signer = Signer("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    moment = datetime.fromtimestamp(1614265330, UTC)
    headers = signer.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}', moment)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_short",
        base64.b64encode(KEY).decode(),
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        "whsec_!" + base64.b64encode(KEY).decode(),
        "whsec_é",
    ],
)
def test_wrong_secret_ends_the_start(secret: str) -> None:
    with pytest.raises(ConfigError, match="DETECTOR_WEBHOOK_SECRET") as caught:
        Courier.from_settings(Settings(webhook_hosts=("shop.example",), webhook_secret=secret))
    assert secret in {"", "whsec_"} or secret not in str(caught.value)


def test_receiver_verifies_what_it_gets_and_sees_a_forgery_and_a_replay(receiver: Receiver) -> None:
    assert send(receiver.courier(), receiver.url) == "delivered"
    ((headers, body),) = receiver.got
    assert headers["Content-Type"] == "application/json"
    assert headers["Host"] == f"caller.test:{receiver.port}"
    proof = {name: value for name, value in headers.items() if name.lower().startswith("webhook-")}
    check = Webhook(SECRET)
    assert check.verify(body, proof)["type"] == "predict_job.done"
    with pytest.raises(WebhookVerificationError):
        check.verify(body.replace("done", "gone"), proof)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(bytes(32)).decode()).verify(body, proof)
    old = Signer(SECRET).headers("msg", BODY, datetime.now(UTC) - timedelta(minutes=6))
    with pytest.raises(WebhookVerificationError, match="too old"):
        check.verify(body, old)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "delivered"), (299, "delivered"), (302, "again"), (404, "again"), (410, "never"), (500, "again")],
)
def test_answers_and_what_they_mean(receiver: Receiver, status: int, outcome: str) -> None:
    receiver.answers = [status]
    assert send(receiver.courier(), receiver.url) == outcome
    assert len(receiver.got) == 1  # a redirect is not followed


def test_receiver_that_is_slow_or_away_is_tried_again(receiver: Receiver) -> None:
    receiver.delay_s = 1.0
    assert send(receiver.courier(timeout_s=0.1), receiver.url) == "again"
    with Receiver().listening() as gone:
        url, courier = gone.url, gone.courier()
    assert send(courier, url) == "again"


def test_only_listed_public_hosts_are_called(receiver: Receiver) -> None:
    courier = receiver.courier()
    for url in (
        f"http://other.test:{receiver.port}/",
        "http://caller.test/",
        f"http://a@caller.test:{receiver.port}/",
        "x",
    ):
        with pytest.raises(UrlError):
            courier.check(url)
        assert send(courier, url) == "never"
    assert send(receiver.courier(may_call=is_public), receiver.url) == "never"
    assert receiver.got == []


def test_delays_grow_and_end(receiver: Receiver) -> None:
    courier = receiver.courier()
    waits = [courier.delay(attempt) for attempt in range(1, len(DELAYS_S) + 2)]
    assert waits[-1] is None
    for wait, base in zip(waits, DELAYS_S, strict=False):
        assert wait is not None
        assert 0.8 * base <= wait <= 1.2 * base
