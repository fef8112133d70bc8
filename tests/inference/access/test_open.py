"""Doors without keys, and key files that are not as they should be: nothing opens by a mistake."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from src.inference.access import guard
from src.inference.access.keys import issue_key
from src.inference.access.wire import BODY_BYTES
from src.inference.api import create_app
from src.utils.errors import AccessError, ConfigError
from src.utils.settings import Settings
from tests.inference.access.test_guard import key_file
from tests.support.pictures import photo_bytes
from tests.support.service import quiet_settings

REMOTE = "192.168.7.9"


def ask_from(peer: str, settings: Settings, calls: list[tuple[str, str]], **headers: str) -> list[Any]:
    """What each call is answered when it comes from this address."""

    async def scenario() -> list[Any]:
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, client=(peer, 4321))
            async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
                while app.state.service.state == "starting":  # noqa: ASYNC110 - it has no event for this
                    await asyncio.sleep(0.002)
                replies = [await client.request(method, url, headers=headers) for method, url in calls]
                return [(reply.status_code, reply.json().get("code")) for reply in replies]

    return asyncio.run(scenario())


ID = "0" * 32
GUARDED = [
    ("GET", "/review"),
    ("GET", "/v1/review"),
    ("DELETE", f"/predictions/{ID}"),
    ("POST", f"/predictions/{ID}/feedback"),
    ("GET", f"/predictions/{ID}/image"),
    ("POST", "/model/reload"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize("peer", [REMOTE, "2001:db8::7", "", "nobody"])
def test_without_keys_other_machines_may_predict_and_no_more(model_path: Path, peer: str) -> None:
    found = ask_from(peer, quiet_settings(model_path), [*GUARDED, ("POST", "/predict"), ("GET", "/model")])
    assert found[: len(GUARDED)] == [(403, "keys_required")] * len(GUARDED)
    assert [status for status, _ in found[len(GUARDED) :]] == [415, 200]


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_without_keys_this_machine_may_do_all(model_path: Path, peer: str) -> None:
    assert 403 not in [status for status, _ in ask_from(peer, quiet_settings(model_path), GUARDED[:-1])]


@pytest.mark.parametrize(
    ("peer", "trusted", "forwarded", "status"),
    [
        ("127.0.0.1", (), "203.0.113.7", 403),  # a proxy on this machine that nobody told us of
        ("127.0.0.1", (), "127.0.0.1", 403),
        ("127.0.0.1", ("127.0.0.1",), "203.0.113.7", 403),
        ("10.0.0.9", ("10.0.0.0/8",), "203.0.113.7", 403),
        ("10.0.0.9", ("10.0.0.0/8",), "127.0.0.1", 503),  # there is no store: it was let in
        (REMOTE, (), "127.0.0.1", 403),
    ],
)
def test_proxied_requests_are_as_local_as_whoever_sent_them(
    model_path: Path, peer: str, trusted: tuple[str, ...], forwarded: str, status: int
) -> None:
    settings = quiet_settings(model_path, trusted_proxies=trusted)
    ((found, _),) = ask_from(peer, settings, [("GET", "/review")], **{"X-Forwarded-For": forwarded})
    assert found == status


def test_metrics_are_open_to_other_machines_only_when_told(model_path: Path) -> None:
    async def scenario() -> int:
        app = create_app(quiet_settings(model_path, metrics_open=True))
        transport = httpx.ASGITransport(app, client=(REMOTE, 4321))
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            return (await client.get("/metrics")).status_code

    assert asyncio.run(scenario()) == 200


@pytest.mark.parametrize("path", ["gone.json", "folder/gone.json", "a-file/keys.json"])
def test_key_file_that_was_named_and_is_not_there_ends_the_start(tmp_path: Path, path: str) -> None:
    (tmp_path / "a-file").write_text("")
    with pytest.raises(ConfigError, match="key"):
        guard.Access(Settings(keys_file=tmp_path / path), lambda: None).start()


def test_key_file_that_may_not_be_looked_at_ends_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: Path) -> None:
        raise PermissionError(13, "denied")

    monkeypatch.setattr(Path, "stat", denied)
    with pytest.raises(ConfigError, match="cannot be read"):
        guard.Access(Settings(), lambda: None).start()


def test_default_key_file_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    access = guard.Access(Settings(), lambda: None)
    access.start()
    assert not access.keys_configured


def test_key_file_that_lost_its_keys_does_not_open_a_running_service(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    issue_key(path, "shop", frozenset({"predict"}))
    access = guard.Access(Settings(keys_file=path), lambda: None)
    access.start()
    path.write_text('{"keys": []}  ')
    with pytest.raises(ConfigError, match="no keys"):
        access.start()
    assert access.keys_configured


def test_keys_stay_fresh_after_any_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "REFRESH_S", 0.005)
    path = key_file(tmp_path)
    issue_key(path, "shop", frozenset({"predict"}))
    access = guard.Access(Settings(keys_file=path), lambda: None)
    access.start()
    errors: list[Exception] = [OSError(5, "disk"), MemoryError(), OSError(24, "files")]
    read = guard.load_keys

    def failing(path: Path, **options: Any) -> Any:
        if errors:
            raise errors.pop()
        return read(path, **options)

    monkeypatch.setattr(guard, "load_keys", failing)
    _, secret = issue_key(path, "another", frozenset({"predict"}))
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "headers": [(b"x-api-key", secret.encode())],
    }

    async def scenario() -> None:
        fresh = asyncio.create_task(access.keep_fresh())
        async with asyncio.timeout(60):
            while True:
                try:
                    await access.admit(dict(scope))
                    break
                except AccessError:
                    await asyncio.sleep(0.01)
        fresh.cancel()
        await asyncio.gather(fresh, return_exceptions=True)

    asyncio.run(scenario())
    assert errors == []


@pytest.mark.parametrize(
    ("path", "status"), [("/api/livez", 200), ("/api/predict", 401), ("/api/model", 401)]
)
def test_rules_hold_behind_a_prefix(model_path: Path, tmp_path: Path, path: str, status: int) -> None:
    _, secret = issue_key(key_file(tmp_path), "shop", frozenset({"predict"}))

    async def scenario() -> tuple[int, int]:
        app = create_app(quiet_settings(model_path, keys_file=key_file(tmp_path)))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, root_path="/api")
            async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
                method = "POST" if path.endswith("predict") else "GET"
                closed = await client.request(method, path)
                key = {"X-API-Key": secret}
                return closed.status_code, (await client.request(method, path, headers=key)).status_code

    closed, opened = asyncio.run(scenario())
    assert closed == status
    assert opened not in (401, 403)


def test_limit_of_small_bodies_leaves_photos_alone_behind_a_prefix(model_path: Path) -> None:
    photo = photo_bytes(1) + b"\0" * (2 * BODY_BYTES)

    async def scenario() -> int:
        app = create_app(quiet_settings(model_path))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, root_path="/api")
            async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
                while app.state.service.state == "starting":  # noqa: ASYNC110 - it has no event for this
                    await asyncio.sleep(0.002)
                return (await client.post("/api/v1/predict", files={"file": photo})).status_code

    assert asyncio.run(scenario()) == 200
