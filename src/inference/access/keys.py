"""API keys: told once in clear, kept as hashes in one JSON file, found by the hash of what a client sends.

A key holds 256 random bits, so a fast hash is enough: there is nothing to guess. The file is replaced as a
whole, so that a reader sees the old one or the new one.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.utils.errors import ConfigError

Scope = Literal["predict", "review", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "det"
_FILE_MODE = 0o600


class ApiKey(BaseModel):
    """One key as it is kept.

    Attributes:
        id: Public name of the key, in logs and records.
        name: Whose it is, for people.
        digest: SHA-256 of the whole key, in hex.
        scopes: What it may do; `admin` may do everything.
        rate_limit: Its own limit instead of the service's, such as `6000/minute`.
        created: When it was issued.
        expires: When it ends by itself, if it does.
        revoked: When it was revoked, if it was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    name: Annotated[str, Field(min_length=1, max_length=100)]
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    scopes: frozenset[Scope]
    rate_limit: str = ""
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None

    def allows(self, scope: Scope) -> bool:
        """Whether the key may do what needs this scope."""
        return scope in self.scopes or "admin" in self.scopes

    def is_live(self, now: datetime) -> bool:
        """Whether the key opens anything at this moment."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class KeyFile(BaseModel):
    """The file's content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    keys: tuple[ApiKey, ...] = ()


class KeyRing:
    """The keys of one moment, ready to be looked up."""

    def __init__(self, keys: tuple[ApiKey, ...] = ()) -> None:
        self._by_digest = {key.digest: key for key in keys}

    @property
    def configured(self) -> bool:
        """Whether keys are in use; they are also when all of them are revoked."""
        return bool(self._by_digest)

    def find(self, secret: str, now: datetime | None = None) -> ApiKey | None:
        """Return the live key that a client sent, if it is one.

        Looking up a hash gives nothing away by its timing: who could aim at a hash would have the key.
        """
        key = self._by_digest.get(digest_of(secret))
        return key if key is not None and key.is_live(now or datetime.now(UTC)) else None


def parse_scopes(names: Sequence[str]) -> frozenset[Scope]:
    """Read scopes by their names.

    Raises:
        ConfigError: There are none, or one is unknown.
    """
    scopes = frozenset(scope for scope in SCOPES if scope in names)
    if len(scopes) != len(set(names)) or not scopes:
        raise ConfigError(f"a scope is one of {', '.join(SCOPES)}")
    return scopes


def digest_of(secret: str) -> str:
    """Hash a key as it is kept."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def load_keys(path: Path, *, must_exist: bool = False) -> tuple[ApiKey, ...]:
    """Read a key file; none there means no keys.

    Raises:
        ConfigError: The file cannot be read, is damaged, or is not there although it must be: nobody may
            enter by a mistake in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if must_exist:
            raise ConfigError(f"the key file {path.name!r} is not there") from error
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the key file {path.name!r} cannot be read") from error
    try:
        return KeyFile.model_validate_json(text).keys
    except ValidationError as error:
        raise ConfigError(f"the key file {path.name!r} is damaged") from error


def issue_key(
    path: Path, name: str, scopes: frozenset[Scope], *, days: int | None = None, rate_limit: str = ""
) -> tuple[ApiKey, str]:
    """Make a key and add it to the file.

    Returns:
        The key as it is kept, and the secret, which is kept nowhere.

    Raises:
        ConfigError: The file is damaged, or a value is not allowed.
    """
    key_id = secrets.token_hex(6)
    secret = f"{PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
    now = datetime.now(UTC)
    try:
        key = ApiKey(
            id=key_id,
            name=name,
            digest=digest_of(secret),
            scopes=scopes,
            rate_limit=rate_limit,
            created=now,
            expires=now + timedelta(days=days) if days is not None else None,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigError(f"{first['loc'][0]}: {first['msg']}") from error
    with _changing(path):
        _write(path, (*load_keys(path), key))
    return key, secret


def revoke_key(path: Path, key_id: str) -> ApiKey:
    """End a key for good; it stays in the file, so that old records keep their name.

    Raises:
        ConfigError: The file is damaged or holds no such key.
    """
    with _changing(path):
        keys = load_keys(path)
        found = next((key for key in keys if key.id == key_id), None)
        if found is None:
            raise ConfigError(f"there is no key {key_id!r}")
        ended = found.model_copy(update={"revoked": found.revoked or datetime.now(UTC)})
        _write(path, tuple(ended if key.id == key_id else key for key in keys))
    return ended


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Keep two commands from each losing the other's change."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield


def _write(path: Path, keys: tuple[ApiKey, ...]) -> None:
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(KeyFile(keys=keys).model_dump_json(indent=2))
        file.flush()
        os.fsync(file.fileno())
    Path(draft).chmod(_FILE_MODE)
    Path(draft).replace(path)
