"""Asking again, against a server whose answers are written down."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime

import httpx
import pytest

from src.client import ApiError, ApiUnreachable, DetectorClient
from src.client.retry import Backoff, retry_after

VERDICT = {
    "id": "0" * 32,
    "stored": True,
    "label": "real",
    "probability": 0.1,
    "confidence": 0.9,
    "needs_review": False,
    "threshold": 0.5,
    "policy": "balanced",
    "model_version": "1",
    "timings_ms": {},
    "provenance": {"label": "real", "basis": "pixels", "needs_review": False, "signals": []},
    "request_id": "r" * 32,
    "a_field_of_the_future": 1,
}
FEEDBACK = {
    "id": "1" * 32,
    "prediction_id": "0" * 32,
    "true_label": "real",
    "reviewer": "ana",
    "reason": "",
    "created_at": "2025-01-01T00:00:00Z",
}
Step = httpx.Response | Exception


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"code": code, "detail": "words", "status": status, "request_id": "q" * 32}
    kind = {"Content-Type": "application/problem+json"}
    return httpx.Response(
        status, json=body, headers=kind | {k.replace("_", "-"): v for k, v in headers.items()}
    )


class Script(httpx.BaseTransport):
    """Answers by a list and remembers what it was asked."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.asked: list[httpx.Request] = []
        self.waits: list[float] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def client(self, retries: int = 3) -> DetectorClient:
        return DetectorClient("http://t/base", transport=self, retries=retries, sleep=self.waits.append)


def good() -> httpx.Response:
    return httpx.Response(200, json=VERDICT, headers={"X-Answer-Source": "scorer"})


def test_a_prediction_is_asked_for_again_with_the_same_key_and_photo() -> None:
    script = Script(
        problem(429, "overloaded", Retry_After="2"),
        httpx.ConnectError("refused"),
        problem(503, "model_not_ready"),
        good(),
    )
    verdict = script.client().predict(b"photo")
    assert (verdict.label, verdict.source) == ("real", "scorer")
    assert len({request.headers["Idempotency-Key"] for request in script.asked}) == 1
    assert all(b"photo" in request.content for request in script.asked)
    assert {request.url.path for request in script.asked} == {"/base/v1/predict"}
    first, second, third = script.waits
    assert 2.0 <= first <= 2.25
    assert 0.0 <= second <= 0.5
    assert 0.0 <= third <= 1.0


def test_each_prediction_has_a_key_of_its_own() -> None:
    script = Script(good(), good())
    client = script.client()
    client.predict(b"a")
    client.predict(b"a")
    assert len({request.headers["Idempotency-Key"] for request in script.asked}) == 2


def test_patience_ends_with_the_last_error() -> None:
    script = Script(*(problem(429, "overloaded", Retry_After="1") for _ in range(3)))
    with pytest.raises(ApiError) as caught:
        script.client(retries=2).predict(b"photo")
    error = caught.value
    assert (error.code, error.status, error.detail) == ("overloaded", 429, "words")
    assert (error.request_id, error.retry_after_s) == ("q" * 32, 1.0)
    assert len(script.asked) == 3


def test_a_wait_that_is_too_long_is_left_to_the_caller() -> None:
    script = Script(problem(429, "rate_limited", Retry_After="3600"))
    with pytest.raises(ApiError) as caught:
        script.client().predict(b"photo")
    assert caught.value.retry_after_s == 3600
    assert script.waits == []


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "malformed_body"), (401, "unauthenticated"), (422, "corrupt_image"), (500, "x")],
)
def test_what_asking_again_cannot_mend_is_told_at_once(status: int, code: str) -> None:
    script = Script(problem(status, code))
    with pytest.raises(ApiError) as caught:
        script.client().predict(b"photo")
    assert (caught.value.code, caught.value.status, len(script.asked)) == (code, status, 1)


@pytest.mark.parametrize(
    "broken", [httpx.ReadTimeout("late"), httpx.RemoteProtocolError("cut"), problem(504, "deadline_exceeded")]
)
def test_feedback_that_may_have_arrived_is_not_sent_again_but_a_prediction_is(broken: Step) -> None:
    script = Script(broken)
    with pytest.raises(ApiError):
        script.client().feedback("0" * 32, "real", reviewer="ana")
    assert len(script.asked) == 1
    script = Script(broken, good())
    assert script.client().predict(b"photo").label == "real"


@pytest.mark.parametrize("refused", [httpx.ConnectError("no"), problem(503, "store_unavailable")])
def test_feedback_that_was_not_taken_is_sent_again(refused: Step) -> None:
    script = Script(refused, httpx.Response(201, json=FEEDBACK))
    assert script.client().feedback("0" * 32, "real", reviewer="ana").reviewer == "ana"


def test_an_answer_of_something_else_is_named_as_such() -> None:
    script = Script(httpx.Response(200, text="<html>"), httpx.Response(200, json=[1]))
    client = script.client()
    for _ in range(2):
        with pytest.raises(ApiError) as caught:
            client.predict(b"photo")
        assert caught.value.code == "unexpected_reply"


def test_an_error_of_a_proxy_has_a_code_too() -> None:
    script = Script(httpx.Response(502, text="<html>"))
    with pytest.raises(ApiError) as caught:
        script.client(retries=0).predict(b"photo")
    assert (caught.value.code, caught.value.status, caught.value.detail) == ("http_502", 502, "Bad Gateway")


def test_a_service_that_is_not_ready_still_tells_its_health() -> None:
    script = Script(
        httpx.Response(503, json={"status": "draining", "uptime_s": 3.5}), problem(503, "proxy_says_no")
    )
    client = script.client()
    health = client.health()
    assert (health.status, health.ok) == ("draining", False)
    with pytest.raises(ApiError):
        client.health()
    assert script.waits == []


def test_a_photo_that_is_not_kept_is_none_and_other_errors_are_errors() -> None:
    script = Script(
        problem(404, "photo_not_kept"), httpx.Response(200, content=b"bytes"), problem(403, "forbidden")
    )
    client = script.client()
    assert client.photo("0" * 32) is None
    assert client.photo("0" * 32) == b"bytes"
    with pytest.raises(ApiError):
        client.photo("0" * 32)


def test_a_batch_that_forgets_a_photo_is_told() -> None:
    body = {"items": [{"index": 1, "prediction": VERDICT}], "request_id": "b" * 32}
    found = Script(httpx.Response(200, json=body)).client().predict_batch([b"a", b"b"])
    assert isinstance(found[0], ApiError)
    assert (found[0].code, found[0].request_id) == ("unexpected_reply", "b" * 32)
    assert not isinstance(found[1], ApiError)


def test_the_key_is_sent_and_never_told() -> None:
    script = Script(httpx.ConnectError("no det_secret here"))
    client = DetectorClient("http://t", api_key="det_secret", transport=script, retries=0)
    with pytest.raises(ApiUnreachable) as caught:
        client.model()
    assert script.asked[0].headers["Authorization"] == "Bearer det_secret"
    assert "det_secret" not in f"{caught.value} {client!r}"


def test_waits_grow_up_to_a_bound() -> None:
    backoff = Backoff(retries=20, base_s=0.5, most_s=4.0, draw=lambda: 1.0)
    error = ApiUnreachable("no")
    waits = [backoff.wait(error, tries, repeatable=True) for tries in range(1, 7)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert backoff.wait(error, 21, repeatable=True) is None


def test_retry_after_as_seconds_as_date_and_as_nonsense() -> None:
    now = datetime(2025, 1, 1, tzinfo=UTC)
    later = format_datetime(datetime(2025, 1, 1, 0, 0, 7, tzinfo=UTC), usegmt=True)
    earlier = format_datetime(datetime(2024, 1, 1, tzinfo=UTC), usegmt=True)
    values = ["5", later, earlier, "soon", "", None, "-3", "1.5", "²"]
    assert [retry_after(value, now) for value in values] == [5.0, 7.0, 0.0, *[None] * 6]


def test_errors_survive_the_way_between_processes() -> None:
    for error in (ApiError("c", 400, "d", "r", 1.5), ApiUnreachable("gone", sent=False)):
        twin = pickle.loads(pickle.dumps(error))
        assert (twin.code, twin.status, twin.detail, twin.request_id, twin.retry_after_s) == (
            error.code,
            error.status,
            error.detail,
            error.request_id,
            error.retry_after_s,
        )


@contextmanager
def raw_server(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that handles its connections one by one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(60)
                    handle(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join(60)


def test_a_silent_server_is_given_up() -> None:
    over = threading.Event()
    with raw_server(lambda connection: over.wait(60) and None) as url:
        with DetectorClient(url, timeout_s=0.2, retries=0) as client, pytest.raises(ApiUnreachable) as caught:
            client.model()
        over.set()
    assert "in time" in caught.value.detail


def test_a_server_that_hangs_up_is_asked_again() -> None:
    calls = 0

    def handle(connection: socket.socket) -> None:
        nonlocal calls
        calls += 1
        connection.recv(65_536)
        if calls > 2:
            body = b'{"name": "m", "version": "1", "architecture": "a"}'
            head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)

    waits: list[float] = []
    with raw_server(handle) as url, DetectorClient(url, timeout_s=60, sleep=waits.append) as client:
        assert client.model().name == "m"
    assert (calls, len(waits)) == (3, 2)
