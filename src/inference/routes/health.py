"""Probes: alive (the process answers), ready (the model is warm), and health for people."""

from __future__ import annotations

from fastapi import APIRouter, Response

from src.inference.deps import ServiceDep
from src.inference.schemas import Alive, Health, problems

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> Alive:
    """Say that the process is alive; true also while the model loads or has failed."""
    return Alive(status="ok")


@router.get("/readyz", responses=problems(("model_not_ready", "the model is not ready: starting")))
async def readyz(service: ServiceDep) -> Alive:
    """Say that photos should be sent here now; no more from SIGTERM on."""
    service.check_ready()
    return Alive(status="ok")


@router.get("/health", responses={503: {"model": Health, "description": "Not ready"}})
async def health(service: ServiceDep, response: Response) -> Health:
    """Tell state, model and uptime; 503 with the same fields unless the state is `ok`."""
    if service.state != "ok":
        response.status_code = 503
        return Health(status=service.state, uptime_s=round(service.uptime_s, 3))
    card = service.scorer.detector.card
    return Health(
        status=service.state,
        model_name=card.name,
        model_version=card.version,
        uptime_s=round(service.uptime_s, 3),
    )
