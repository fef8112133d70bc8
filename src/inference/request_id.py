"""Gives every request an id that its reply, errors and log lines carry; logs and counts the request."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.monitoring.spans import Traced, Tracing

HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._-]{8,64}")
_QUIET = {f"{root}/{name}" for root in ("", "/v1") for name in ("livez", "readyz", "health", "metrics")}
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

_log = structlog.get_logger()


def request_id_of(scope: Scope) -> str:
    """Return the id of a request that passed the middleware."""
    state: dict[str, str] = scope.get("state", {})
    return state.get("request_id", "")


class RequestIdMiddleware:
    """Plain ASGI, so that bodies stream through it untouched.

    A client's own id is kept when it is sane: a longer one, or odd characters, would let a client write into
    our logs.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = Headers(scope=scope).get(HEADER, "")
        request_id = offered if _SANE.fullmatch(offered) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        start, status = perf_counter(), 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                # A connection that is kept would be cut when the server goes, maybe under the next request.
                if scope["app"].state.service.state in {"draining", "stopping"}:
                    headers["Connection"] = "close"
            await send(message)

        with (
            _traced(scope) as traced,
            structlog.contextvars.bound_contextvars(request_id=request_id, **traced.ids),
        ):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                _account(scope, status, perf_counter() - start)
                traced.end(route=_route(scope), status=status, request_id=request_id)


def _traced(scope: Scope) -> AbstractContextManager[Traced]:
    """Trace a request, unless it is a probe's: those come every few seconds and tell nothing."""
    if scope["path"] in _QUIET:
        return nullcontext(Traced())
    tracing: Tracing = scope["app"].state.service.tracing
    return tracing.request(_method(scope), Headers(scope=scope))


def _route(scope: Scope) -> str | None:
    """The route's pattern; the path itself would be the client's own text."""
    return getattr(scope.get("route"), "path", None)


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _account(scope: Scope, status: int, seconds: float) -> None:
    route, method = _route(scope), _method(scope)
    scope["app"].state.service.metrics.request(route or "none", method, status, seconds)
    facts = {"api_key_id": key} if (key := scope["state"].get("api_key_id")) is not None else {}
    level = "debug" if route in _QUIET else "info"
    duration_ms = round(seconds * 1000, 2)
    getattr(_log, level)(
        "request", method=method, route=route, status=status, duration_ms=duration_ms, **facts
    )
