"""`GET /drift`: whether the traffic still is what the model was judged on."""

from __future__ import annotations

from fastapi import APIRouter

from src.inference.deps import ServiceDep
from src.monitoring.drift.schema import DriftReport

router = APIRouter(tags=["operation"])


@router.get("/drift")
async def drift(service: ServiceDep) -> DriftReport:
    """Return what the watch found when it last looked; without a reference `status` says `no_reference`."""
    return service.watching.report
