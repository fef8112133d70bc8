"""`GET /`: what this is, and where to go on."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

router = APIRouter(tags=["health"])

_LINKS = {
    "docs": "/docs",
    "openapi": "/openapi.json",
    "health": "/health",
    "model": "/v1/model",
    "predict": "/v1/predict",
}


class Index(BaseModel):
    """The way in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str = Field(description="Of the service; that of the model is told by `/model`.")
    links: dict[str, str] = Field(
        description="Paths on this host.", examples=[{"docs": "/docs", "predict": "/v1/predict"}]
    )


@router.get("/")
async def index(request: Request) -> Index:
    """Tell what this service is and where its description is."""
    root = str(request.scope.get("root_path", "")).rstrip("/")
    return Index(
        name=request.app.title,
        version=request.app.version,
        links={name: root + path for name, path in _LINKS.items()},
    )
