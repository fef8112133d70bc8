"""The HTTP service. `app` is what a server runs; its model is loaded at the start, not at the import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from src.inference import description, problem
from src.inference.access.guard import AccessMiddleware
from src.inference.access.wire import BodyLimitMiddleware, SecurityHeadersMiddleware
from src.inference.drain import drained_on_sigterm
from src.inference.linger import LingeringCloseMiddleware
from src.inference.request_id import HEADER, RequestIdMiddleware
from src.inference.routes import (
    batch,
    docs,
    drift,
    explain,
    health,
    index,
    jobs,
    metrics,
    model,
    predict,
    predictions,
    review,
    url,
)
from src.inference.service import Loader, Service, load_detector
from src.utils.logging import configure_logging
from src.utils.settings import Settings, load_settings
from src.utils.version import package_version

_VERSIONED = (predict, batch, jobs, url, explain, predictions, review, model, drift)
"""Also at the root, so that `/predict` and its like need no version."""


def create_app(settings: Settings | None = None, loader: Loader = load_detector) -> FastAPI:
    """Build an app.

    Args:
        settings: Read from the environment by default.
        loader: Makes the detector; tests pass their own.

    Raises:
        ConfigError: A variable of the environment has a value that is not allowed.
    """
    service = Service(settings or load_settings(), loader)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        configure_logging(service.settings.log_level, json=service.settings.log_json)
        # Before anything is served: a wrong key file, or a bind that is open to all, ends the start here.
        await asyncio.to_thread(service.access.start)
        refreshing = asyncio.create_task(service.access.keep_fresh())
        loading = asyncio.create_task(service.start())
        try:
            with drained_on_sigterm(service, asyncio.get_running_loop()):
                yield
        finally:
            refreshing.cancel()
            # What went wrong in either has been logged there; here it must not keep the store from closing.
            await asyncio.gather(refreshing, loading, return_exceptions=True)
            await service.stop()

    app = FastAPI(
        title="AI product photo detector",
        version=package_version(),
        description=description.TEXT,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    _add_middleware(app, service)
    problem.install(app)
    for module in (index, docs, health, metrics, *_VERSIONED):
        app.include_router(module.router)
    for module in (health, *_VERSIONED):
        app.include_router(module.router, prefix="/v1")
    description.install(app)
    return app


def _add_middleware(app: FastAPI, service: Service) -> None:
    """Add the layers around all routes, innermost first."""
    settings = service.settings
    app.add_middleware(BodyLimitMiddleware, timeout_s=settings.upload_timeout_s, arrivals=service.arrivals)
    app.add_middleware(AccessMiddleware, access=service.access)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "X-API-Key", "Idempotency-Key", HEADER],
            expose_headers=[HEADER, "Retry-After", "X-Answer-Source"],
        )
    app.add_middleware(SecurityHeadersMiddleware, hsts=settings.hsts)
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(LingeringCloseMiddleware)


app = create_app()
