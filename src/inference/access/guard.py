"""The gate before all routes: bind, key, scope and rate are checked before a byte of the body is read."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from src.inference.access.keys import ApiKey, KeyRing, load_keys
from src.inference.access.limiter import Limiter, parse_rate
from src.inference.access.origin import (
    arrives_openly,
    client_address,
    is_local,
    open_binds,
    parse_networks,
    route_path,
)
from src.inference.access.rules import need_of
from src.inference.problem import problem_of
from src.utils.errors import AccessError, ConfigError, DetectorError
from src.utils.settings import Settings

REFRESH_S = 2.0
"""Seconds after which a key that was issued or revoked counts at the latest."""

_log = structlog.get_logger()


class Access:
    """Keys, limits and the rule of the open bind, as one app applies them.

    Args:
        settings: Of the app.
        on_limiter_failure: Called when a request passed because its count could not be reached.
    """

    def __init__(self, settings: Settings, on_limiter_failure: Callable[[], None]) -> None:
        self._settings = settings
        self._on_limiter_failure = on_limiter_failure
        self._trusted = parse_networks(settings.trusted_proxies)
        self._ring = KeyRing()
        self._seen: tuple[int, int] | None = None
        self._limiter: Limiter | None = None

    @property
    def keys_configured(self) -> bool:
        """Whether nobody enters without a key."""
        return self._ring.configured

    def start(self) -> None:
        """Read the keys and check what the server was told; blocks.

        Raises:
            ConfigError: The key file or a limit is damaged, a key file that was named is not there, or the
                service would be open to all.
        """
        self._refresh()
        hosts = open_binds(sys.argv, os.environ)
        if not hosts or self.keys_configured:
            return
        if not self._settings.allow_open:
            raise ConfigError(
                f"listening on {hosts[0]} without API keys would be open to all: issue a key by "
                "`detector keys issue`, or set DETECTOR_ALLOW_OPEN=true"
            )
        _log.warning(
            "open_to_all",
            bind=hosts[0],
            meaning="others may send photos; all else is closed to them until there are keys",
            cure="`detector keys issue`, or DETECTOR_ALLOW_OPEN=false",
        )

    async def keep_fresh(self) -> None:
        """Read the keys again whenever their file has changed, until cancelled.

        A file that is damaged or gone changes nothing: the keys of before stay, and so does the lock.
        """
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await asyncio.to_thread(self._refresh)
            except ConfigError as error:
                _log.error("keys_unreadable", reason=error.message)
            except Exception as error:  # noqa: BLE001 - whatever it is, keys must still be revocable afterwards
                _log.error("keys_unreadable", reason=type(error).__name__, exc_info=error)

    async def close(self) -> None:
        """Let go of connections."""
        if self._limiter is not None:
            await self._limiter.close()

    async def admit(self, scope: Scope) -> None:
        """Let a request in, and note in its state whose it is.

        Raises:
            AccessError: It may not enter.
            RateLimitedError: It comes too soon.
        """
        path = route_path(scope)
        need = need_of(scope["method"], path)
        if need == "nothing" or (path == "/metrics" and self._settings.metrics_open):
            return
        state = scope.setdefault("state", {})
        if not self.keys_configured:
            if arrives_openly(scope) and not self._settings.allow_open:
                raise AccessError(
                    "keys_required", "this service has no API keys and is closed to other machines"
                )
            if need in ("review", "admin") and not is_local(scope, self._trusted):
                raise AccessError(
                    "keys_required", f"from other machines this call needs a key with the scope {need!r}"
                )
            state["client"] = f"address:{client_address(scope, self._trusted)}"
        else:
            key = self._identify(Headers(scope=scope))
            if need != "any" and not key.allows(need):
                raise AccessError("forbidden", f"this key lacks the scope {need!r}")
            state["api_key_id"], state["scopes"] = key.id, key.scopes
            state["client"], state["rate"] = f"key:{key.id}", key.rate_limit
        await self.charge(scope)

    async def charge(self, scope: Scope, cost: int = 1) -> None:
        """Count an admitted request against its client's limit, or count more for one that holds more photos.

        Raises:
            RateLimitedError: It is too much.
        """
        if self._limiter is not None and cost > 0:
            state = scope["state"]
            await self._limiter.charge(state["client"], state.get("rate", ""), cost)

    def _identify(self, headers: Headers) -> ApiKey:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        secret = bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        if not secret:
            raise AccessError("unauthenticated", "send your API key as `Authorization: Bearer ...`")
        key = self._ring.find(secret)
        if key is None:
            raise AccessError("unauthenticated", "this API key is unknown, revoked or expired")
        return key

    def _refresh(self) -> None:
        path = self._settings.keys_file
        stamp = _stamp(path)
        if stamp is None and self._seen is not None:
            raise ConfigError(f"the key file {path.name!r} is gone; its keys stay in force")
        if stamp is None and "keys_file" in self._settings.model_fields_set:
            raise ConfigError(
                f"DETECTOR_KEYS_FILE names {path.name!r}, which is not there: mend the path, or issue a key "
                "by `detector keys issue`"
            )
        if stamp != self._seen:
            keys = load_keys(path, must_exist=True)
            if self.keys_configured and not keys:
                raise ConfigError(f"the key file {path.name!r} holds no keys; those of before stay in force")
            for key in keys:
                parse_rate(key.rate_limit)
            self._ring, self._seen = KeyRing(keys), stamp
            if keys:
                _log.info("keys_loaded", keys=len(keys))
        if self._limiter is None and (self._settings.rate_limit or self.keys_configured):
            rate, url = self._settings.rate_limit, self._settings.rate_limit_url
            self._limiter = Limiter(rate, url, self._on_limiter_failure)


class AccessMiddleware:
    """Plain ASGI, so that bodies stream through it untouched."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            try:
                await self._access.admit(scope)
            except DetectorError as error:
                response = problem_of(Request(scope), error)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"the key file {path.name!r} cannot be read") from error
    return facts.st_mtime_ns, facts.st_ino
