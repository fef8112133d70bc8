"""Runs an app behind a real socket of this machine while a block runs, for clients that need one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from src.inference.api import create_app
from src.inference.service import Loader, load_detector
from src.utils.settings import Settings

_PATIENCE_S = 120


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """Serve any ASGI app on a free port; yields its base URL."""
    config = uvicorn.Config(app, port=0, ws="none", log_config=None, lifespan="auto")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    give_up = time.monotonic() + _PATIENCE_S
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < give_up, "the server did not start in time"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(_PATIENCE_S)
        assert not thread.is_alive(), "the server did not stop"


@contextmanager
def live(settings: Settings, loader: Loader = load_detector) -> Iterator[str]:
    """Serve the detector's app; yields its base URL once its model has loaded or failed."""
    app = create_app(settings, loader)
    with listening(app) as url:
        give_up = time.monotonic() + _PATIENCE_S
        while app.state.service.state == "starting":
            assert time.monotonic() < give_up, "the model did not load in time"
            time.sleep(0.01)
        yield url
