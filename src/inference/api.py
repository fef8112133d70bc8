"""The HTTP service. `app` is what a server runs; its model is loaded at the start, not at the import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from src.inference import problem
from src.inference.request_id import RequestIdMiddleware
from src.inference.routes import health, predict
from src.inference.service import Loader, Service, load_detector
from src.utils.logging import configure_logging
from src.utils.settings import Settings, load_settings

_DESCRIPTION = """Tells real product photos from AI-generated ones.

Every error is `application/problem+json` with a stable `code` and the `request_id`."""


def _package_version() -> str:
    try:
        return version("ai-product-photo-detector")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+source"


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
        loading = asyncio.create_task(service.start())
        yield
        await loading
        await service.stop()

    app = FastAPI(
        title="AI product photo detector",
        version=_package_version(),
        description=_DESCRIPTION,
        lifespan=lifespan,
    )
    app.state.service = service
    app.add_middleware(RequestIdMiddleware)
    problem.install(app)
    app.include_router(health.router)
    app.include_router(predict.router)
    app.include_router(predict.router, prefix="/v1")
    return app


app = create_app()
