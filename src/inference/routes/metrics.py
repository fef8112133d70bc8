"""`GET /metrics`: the page that Prometheus scrapes."""

from __future__ import annotations

from fastapi import APIRouter, Response

from src.inference.deps import ServiceDep
from src.monitoring.metrics import CONTENT_TYPE

router = APIRouter(tags=["operation"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Metrics"}},
)
async def metrics(service: ServiceDep) -> Response:
    """Return the metrics in Prometheus' text format; where keys are in use it is not open, unless told."""
    return Response(service.metrics.page(), media_type=CONTENT_TYPE)
