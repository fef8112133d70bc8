"""What the page's web server adds to Streamlit's: an address for each page, and headers that keep it safe."""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config, file_util

from src.ui.shell import pages_by_name

_HEADERS = {
    # Nothing is loaded from elsewhere, no other site may frame the page. Plots are compiled in the browser.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def routes() -> list[BaseRoute]:
    """Return a route for each page, so that its address can be opened by itself; the first one is at `/`.

    Streamlit serves one document under every address, and its script then guesses where the server is,
    beginning below the page's own address, which fails. Here the document says where it is.
    """
    base = str(config.get_option("server.baseUrlPath") or "").strip("/")
    root = f"/{base}" if base else ""
    document = Path(file_util.get_static_dir(), "index.html").read_text(encoding="utf-8")
    place = f'window.location.origin + "{root}"'
    told = (
        f"<script>window.__streamlit = {{BACKEND_BASE_URL: {place}, MAIN_PAGE_BASE_URL: {place}}};</script>"
    )
    document = document.replace("<head>", f"<head>{told}", 1)

    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse(document, headers={"Cache-Control": "no-cache"})

    async def first(_: Request) -> RedirectResponse:
        return RedirectResponse(f"{root}/")

    start, *others = pages_by_name()
    found: list[BaseRoute] = [Route(f"{root}/{name}", page, methods=["GET"]) for name in others]
    return [Route(f"{root}/{start}", first, methods=["GET"]), *found]


def middleware() -> list[Middleware]:
    """Return what wraps every answer."""
    return [Middleware(SafeHeaders)]


class SafeHeaders:
    """Adds headers to every answer that lacks them.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_safe)
