"""Runs the app in memory, lifespan and all, and talks to it like a client; no port needed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI

from src.imaging.views import Views
from src.inference.access.keys import KeyFile
from src.inference.api import create_app
from src.inference.detection import Detection
from src.inference.detector import Prepared
from src.inference.service import Loader, Service, load_detector
from src.utils.model_card import ModelCard
from src.utils.settings import Settings
from tests.support.tiny_model import tiny_card

NO_KEYS = Path(__file__).with_name("no_keys.json")


def quiet_settings(model: Path, **changes: Any) -> Settings:
    """Settings for tests: one thread, no chatter, no store, nothing of this machine's, time to spare."""
    fields: dict[str, Any] = {
        "model_path": model,
        "intra_op_threads": 1,
        "log_level": "critical",
        "keys_file": NO_KEYS,
        "store_url": "",
        "drain_s": 0.0,
        "deadline_s": 120.0,
        "upload_timeout_s": 120.0,
        "store_timeout_s": 60.0,
        "provenance_timeout_s": 60.0,
    }
    return Settings(**(fields | changes))


def no_keys(folder: Path) -> Path:
    """A key file that holds no key; naming one that is not there would end the start."""
    path = folder / "no-keys.json"
    if not path.exists():
        path.write_text(KeyFile().model_dump_json())
    return path


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Start the app, wait until its model has loaded or failed, yield a client."""
    # A bug must show as the 500 that a client would get, not as an exception in the test.
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://t") as client,
    ):
        service: Service = app.state.service
        while service.state == "starting":  # noqa: ASYNC110 - the service needs no event for this itself
            await asyncio.sleep(0.002)
        yield client


class Client:
    """A blocking client of an app that runs in a thread of its own."""

    def __init__(self, call: Any, client: httpx.AsyncClient) -> None:
        self._call, self._client = call, client

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            return await self._client.request(method, url, **options)

        response: httpx.Response = self._call(send)
        return response

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self.request("POST", url, **options)

    def predict(self, photo: bytes, url: str = "/predict", **options: Any) -> httpx.Response:
        return self.post(url, files={"file": ("photo.jpg", photo, "image/jpeg")}, **options)


@contextmanager
def running(settings: Settings, loader: Loader = load_detector) -> Iterator[Client]:
    """A service that is up while the block runs."""
    app = create_app(settings, loader)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(app)) as client:
        yield Client(portal.call, client)


class GatedDetector:
    """A detector that answers only when its gate is opened, and counts how often it was asked."""

    def __init__(self, detection: Detection) -> None:
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.calls = 0
        self._detection = detection

    @property
    def card(self) -> ModelCard:
        return tiny_card()

    def prepare(self, photo: bytes) -> Prepared:
        self.calls += 1
        self.begun.release()
        assert self.gate.wait(120), "nobody opened the gate"
        return nothing_prepared()

    def judge(self, items: Sequence[Prepared], policies: Sequence[str | None]) -> list[Detection]:
        return [self._detection] * len(items)


def nothing_prepared() -> Prepared:
    """Views for detectors that do not look at them."""
    empty = np.zeros((0, 3, 1, 1), np.float32)
    return Prepared(Views((empty,), empty, ()), decode_ms=1.0, views_ms=1.0)
