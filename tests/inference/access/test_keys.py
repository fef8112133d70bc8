"""Keys are told once, kept as hashes, and end when they are revoked or expire."""

from __future__ import annotations

import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from src.inference.access.keys import KeyRing, issue_key, load_keys, parse_scopes, revoke_key
from src.utils.errors import ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "keys.json"


def test_key_opens_and_its_secret_is_kept_nowhere(path: Path) -> None:
    key, secret = issue_key(path, "shop", frozenset({"predict"}))
    text = path.read_text()
    assert secret not in text
    assert secret.rpartition("_")[2] not in text
    assert KeyRing(load_keys(path)).find(secret) == key
    assert secret not in repr(key)
    assert key.digest not in repr(key)


@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s + "x", lambda s: s.upper(), lambda _: ""])
def test_any_other_text_opens_nothing(path: Path, change) -> None:
    _, secret = issue_key(path, "shop", frozenset({"predict"}))
    assert KeyRing(load_keys(path)).find(change(secret)) is None


def test_file_is_for_its_owner_alone(path: Path) -> None:
    issue_key(path, "shop", frozenset({"predict"}))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {item.name for item in path.parent.iterdir()} <= {"keys.json", "keys.json.lock"}


def test_revoked_key_opens_nothing_and_stays_on_the_list(path: Path) -> None:
    key, secret = issue_key(path, "shop", frozenset({"predict"}))
    ended = revoke_key(path, key.id)
    ring = KeyRing(load_keys(path))
    assert ring.find(secret) is None
    assert ring.configured
    assert revoke_key(path, key.id).revoked == ended.revoked
    with pytest.raises(ConfigError, match="no key"):
        revoke_key(path, "0" * 12)


def test_expired_key_opens_nothing(path: Path) -> None:
    _, secret = issue_key(path, "shop", frozenset({"predict"}), days=1)
    ring = KeyRing(load_keys(path))
    assert ring.find(secret) is not None
    assert ring.find(secret, datetime.now(UTC) + timedelta(days=1, seconds=1)) is None


def test_admin_may_do_everything_and_others_what_they_are_for(path: Path) -> None:
    admin, _ = issue_key(path, "boss", frozenset({"admin"}))
    shop, _ = issue_key(path, "shop", frozenset({"predict"}))
    assert all(admin.allows(scope) for scope in ("predict", "review", "admin"))
    assert [shop.allows(scope) for scope in ("predict", "review", "admin")] == [True, False, False]


def test_keys_issued_at_once_are_all_kept(path: Path) -> None:
    threads = [
        threading.Thread(target=issue_key, args=(path, str(n), frozenset({"predict"}))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in load_keys(path)} == {str(number) for number in range(8)}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"keys": [{"id": "x"}]}', '{"version": 2}', json.dumps({"keys": [], "extra": 1})]
)
def test_damaged_file_is_an_error_and_not_an_open_door(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ConfigError, match="damaged"):
        load_keys(path)


def test_unreadable_file_is_an_error_and_a_missing_one_is_not(path: Path) -> None:
    assert load_keys(path) == ()
    path.mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_keys(path)


def test_wrong_values_are_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match="name"):
        issue_key(path, "", frozenset({"predict"}))
    assert parse_scopes(["review", "predict"]) == {"predict", "review"}
    for names in ([], ["root"], ["predict", "root"]):
        with pytest.raises(ConfigError, match="scope"):
            parse_scopes(names)
