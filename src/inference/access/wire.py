"""What every reply and every small body must keep: security headers, bounds on bodies that routes parse."""

from __future__ import annotations

import asyncio
import re

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.inference.access.origin import route_path
from src.inference.arrivals import Arrivals
from src.utils.errors import ShuttingDownError

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_HSTS = "max-age=31536000; includeSubDomains"

BODY_BYTES = 64 * 1024
_COUNTED_BY_ROUTE = re.compile(r"(/v1)?/(predict|predict/batch|predict/jobs|explain)")


class SecurityHeadersMiddleware:
    """Adds the headers that a reply does not have by itself."""

    def __init__(self, app: ASGIApp, *, hsts: bool) -> None:
        self._app = app
        self._headers = SECURITY_HEADERS | ({"Strict-Transport-Security": _HSTS} if hsts else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_secured)


class BodyLimitMiddleware:
    """Counts the bodies of routes that do not count them themselves, while they stream.

    Args:
        app: What comes next.
        timeout_s: Seconds until the whole body must be there.
        arrivals: Cuts bodies off when the service goes down.
    """

    def __init__(self, app: ASGIApp, *, timeout_s: float, arrivals: Arrivals) -> None:
        self._app, self._timeout_s, self._arrivals = app, timeout_s, arrivals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or _COUNTED_BY_ROUTE.fullmatch(route_path(scope)):
            await self._app(scope, receive, send)
            return
        received, complete = 0, False
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._timeout_s

        async def receive_counted() -> Message:
            nonlocal received, complete
            if complete:
                return await receive()
            try:
                async with self._arrivals.within(ends - loop.time()):
                    message = await receive()
            except ShuttingDownError as error:
                raise HTTPException(503, error.message) from error
            except TimeoutError as error:
                raise HTTPException(408, f"the body did not arrive within {self._timeout_s:g} s") from error
            received += len(message.get("body", b""))
            if received > BODY_BYTES:
                raise HTTPException(413, f"the body is larger than {BODY_BYTES} bytes")
            complete = not message.get("more_body", False)
            return message

        await self._app(scope, receive_counted, send)
