"""A refusal that arrives: what a client still sends is read and thrown away before its connection is closed.

A socket that is closed with unread bytes in it is reset, and the reset overtakes the reply: the client, or
the proxy before it, sees a broken connection instead of the reason. (nginx has the same: `lingering_close`.)
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = 2.0
BYTES = 64 * 2**20
"""Bounds of what is read for nothing: who sends on after them is cut off."""


class LingeringCloseMiddleware:
    """Ends a reply that closes its connection only when the request has ended, too, or its patience has.

    Args:
        app: What comes next.
        seconds: Time that the rest of a body may take.
        most: Bytes of it that are read.
    """

    def __init__(self, app: ASGIApp, *, seconds: float = SECONDS, most: int = BYTES) -> None:
        self._app, self._seconds, self._most = app, seconds, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        complete = closes = False

        async def receive_watched() -> Message:
            nonlocal complete
            message = await receive()
            complete = complete or not message.get("more_body", False)
            return message

        async def send_lingering(message: Message) -> None:
            nonlocal closes
            if message["type"] == "http.response.start":
                closes = (b"connection", b"close") in {
                    (name.lower(), value.lower()) for name, value in message.get("headers", ())
                }
            ends = message["type"] == "http.response.body" and not message.get("more_body", False)
            if complete or not (closes and ends):
                await send(message)
                return
            await send({**message, "more_body": True})
            await self._discard(receive)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, receive_watched, send_lingering)

    async def _discard(self, receive: Receive) -> None:
        left = self._most
        try:
            async with asyncio.timeout(self._seconds):
                while left > 0:
                    message = await receive()
                    if not message.get("more_body", False):
                        return
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return
