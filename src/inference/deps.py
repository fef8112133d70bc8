"""What routes ask for."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from src.inference.service import Service


async def get_service(request: Request) -> Service:
    """Return the service of the app that answers this request.

    A coroutine, although it waits for nothing: FastAPI runs plain functions on a thread, and each photo
    would wait for one.
    """
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]
