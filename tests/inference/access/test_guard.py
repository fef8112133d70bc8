"""The gate as clients meet it: keys, scopes, rates, open binds, and keys that change under way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from src.inference.access import guard
from src.inference.access.keys import ApiKey, issue_key, revoke_key
from src.inference.api import create_app
from src.utils.errors import ConfigError
from src.utils.settings import Settings
from tests.support.pictures import photo_bytes
from tests.support.service import Client, quiet_settings, running, serving

PHOTO = photo_bytes(1)


@dataclass(frozen=True)
class Doors:
    """A service with keys, and one key of each scope."""

    client: Client
    path: Path
    predict: tuple[ApiKey, str]
    review: tuple[ApiKey, str]
    admin: tuple[ApiKey, str]

    def post(self, secret: str | None, photo: bytes = PHOTO, **headers: str) -> httpx.Response:
        if secret is not None:
            headers["Authorization"] = f"Bearer {secret}"
        return self.client.predict(photo, headers=headers)

    def get(self, url: str, secret: str) -> httpx.Response:
        return self.client.get(url, headers={"X-API-Key": secret})


def key_file(folder: Path) -> Path:
    return folder / "keys.json"


@pytest.fixture
def doors(model_path: Path, tmp_path: Path) -> Iterator[Doors]:
    path = key_file(tmp_path)
    made = {scope: issue_key(path, scope, frozenset({scope})) for scope in ("predict", "review", "admin")}
    with running(quiet_settings(model_path, keys_file=path)) as client:
        yield Doors(client, path, **made)


def assert_refused(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["request_id"] == response.headers["x-request-id"]


def test_without_a_key_nobody_enters_but_probes_answer(doors: Doors) -> None:
    refused = doors.post(None)
    assert_refused(refused, 401, "unauthenticated")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert_refused(doors.post("det_000000000000_guess"), 401, "unauthenticated")
    assert_refused(doors.client.get("/metrics"), 401, "unauthenticated")
    assert_refused(doors.client.get("/nowhere"), 401, "unauthenticated")
    for probe in ("/livez", "/readyz", "/health"):
        assert doors.client.get(probe).status_code == 200


def test_key_in_either_header_opens_what_its_scope_allows(doors: Doors) -> None:
    secret = doors.predict[1]
    assert doors.post(secret).status_code == 200
    assert doors.get("/model", secret).status_code == 200
    assert_refused(doors.get("/review", secret), 403, "forbidden")
    assert_refused(doors.get("/metrics", secret), 403, "forbidden")
    assert_refused(doors.post(doors.review[1]), 403, "forbidden")
    assert doors.post(doors.admin[1]).status_code == 200
    assert doors.get("/metrics", doors.admin[1]).status_code == 200


def test_refused_upload_is_not_read(doors: Doors) -> None:
    taken = 0

    async def body() -> Any:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield b"\0" * 65_536

    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    assert_refused(doors.client.post("/predict", content=body(), headers=headers), 401, "unauthenticated")
    assert taken <= 1


def test_revoked_and_new_keys_count_while_the_service_runs(
    model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "REFRESH_S", 0.01)
    path = key_file(tmp_path)

    async def scenario() -> None:
        path.write_text('{"keys": []}')
        async with serving(create_app(quiet_settings(model_path, keys_file=path))) as client:

            async def until(status: int, secret: str) -> None:
                async with asyncio.timeout(60):
                    while True:
                        reply = await client.get("/model", headers={"X-API-Key": secret})
                        if reply.status_code == status:
                            return
                        await asyncio.sleep(0.01)

            assert (await client.get("/model")).status_code == 200  # no keys yet
            _, secret = issue_key(path, "shop", frozenset({"predict"}))
            await until(401, "wrong")
            await until(200, secret)
            path.write_text("damaged")
            await asyncio.sleep(0.1)
            await until(200, secret)
            path.unlink()
            await asyncio.sleep(0.1)
            await until(401, "wrong")
            issue_key(path, "again", frozenset({"predict"}))
            await until(401, secret)

    asyncio.run(scenario())


def test_key_that_is_revoked_is_refused_at_the_next_reading(doors: Doors) -> None:
    revoke_key(doors.path, doors.predict[0].id)
    access = guard.Access(Settings(keys_file=doors.path), lambda: None)
    access.start()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "headers": [(b"x-api-key", doors.predict[1].encode())],
    }
    with pytest.raises(Exception, match="revoked"):
        asyncio.run(access.admit(scope))


def test_rates_by_key_and_by_address(model_path: Path, tmp_path: Path) -> None:
    with running(quiet_settings(model_path, rate_limit="3/hour")) as client:
        replies = [client.get("/model") for _ in range(5)]
        assert [reply.status_code for reply in replies] == [200] * 3 + [429] * 2
        assert replies[-1].json()["code"] == "rate_limited"
        assert 1 <= int(replies[-1].headers["retry-after"]) <= 3600
        assert client.get("/livez").status_code == 200
    path = key_file(tmp_path)
    _, slow = issue_key(path, "slow", frozenset({"predict"}), rate_limit="1/hour")
    _, plain = issue_key(path, "plain", frozenset({"predict"}))
    with running(quiet_settings(model_path, keys_file=path, rate_limit="2/hour")) as client:

        def statuses(secret: str) -> list[int]:
            return [client.get("/model", headers={"X-API-Key": secret}).status_code for _ in range(3)]

        assert statuses(slow) == [200, 429, 429]
        assert statuses(plain) == [200, 200, 429]


def test_damaged_key_file_or_rate_ends_the_start(model_path: Path, tmp_path: Path) -> None:
    async def start(settings: Settings) -> None:
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            raise AssertionError("it must not start")

    path = key_file(tmp_path)
    path.write_text("damaged")
    with pytest.raises(ConfigError, match="damaged"):
        asyncio.run(start(quiet_settings(model_path, keys_file=path)))
    with pytest.raises(ConfigError, match="rate"):
        asyncio.run(start(quiet_settings(model_path, rate_limit="often")))


def test_hand_written_rate_that_is_wrong_ends_the_start(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    issue_key(path, "shop", frozenset({"predict"}))
    content = json.loads(path.read_text())
    content["keys"][0]["rate_limit"] = "often"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="often"):
        guard.Access(Settings(keys_file=path), lambda: None).start()


def test_open_bind_without_keys_is_refused_where_the_setting_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["uvicorn", "src.inference.api:app", "--host", "0.0.0.0"])
    path = key_file(tmp_path)
    path.write_text('{"keys": []}')
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0"):
        guard.Access(Settings(keys_file=path, allow_open=False), lambda: None).start()
    structlog.reset_defaults()  # another test may have raised the level
    with structlog.testing.capture_logs() as logs:
        guard.Access(Settings(keys_file=path), lambda: None).start()
    assert [entry["event"] for entry in logs] == ["open_to_all"]
    issue_key(path, "shop", frozenset({"predict"}))
    guard.Access(Settings(keys_file=path, allow_open=False), lambda: None).start()


@pytest.mark.parametrize(("allow_open", "status"), [(False, 403), (True, 200)])
def test_request_from_elsewhere_without_keys_is_refused_however_the_server_was_started(
    model_path: Path, allow_open: bool, status: int
) -> None:
    with running(quiet_settings(model_path, allow_open=allow_open)) as client:
        assert client.get("http://192.168.7.7/model").status_code == status
        assert client.get("http://127.0.0.1/model").status_code == 200
        assert client.get("http://192.168.7.7/livez").status_code == 200


def test_metrics_may_be_open(model_path: Path, tmp_path: Path) -> None:
    path = key_file(tmp_path)
    issue_key(path, "shop", frozenset({"predict"}))
    with running(quiet_settings(model_path, keys_file=path, metrics_open=True)) as client:
        assert client.get("/metrics").status_code == 200
        assert client.get("/model").status_code == 401
