"""`GET /model`, `GET /model/report`, `POST /model/reload`: which model serves, how good it is."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from src.inference.deps import ServiceDep
from src.inference.schemas import problems
from src.utils.errors import NotFoundError
from src.utils.model_card import ModelCard
from src.utils.model_report import ModelReport, beside, read_model_report

router = APIRouter(tags=["operation"])

_NO_REPORT = ("not_found", "no report of the model in service lies beside it")
_NOT_READY = ("model_not_ready", "the model is not ready: starting")


@router.get("/model", responses=problems(_NOT_READY))
async def model(service: ServiceDep) -> ModelCard:
    """Return the card of the model in service: views, calibration, policies, figures, origin."""
    return service.scorer.detector.card


@router.get("/model/report", responses=problems(_NOT_READY, _NO_REPORT))
async def report(service: ServiceDep) -> ModelReport:
    """Return what was measured of the model in service: figures by policy, and by any threshold."""
    card = service.scorer.detector.card
    found = await asyncio.to_thread(read_model_report, beside(service.settings.model_path))
    if found is None or (found.model_name, found.model_version) != (card.name, card.version):
        raise NotFoundError(_NO_REPORT[1])
    return found


@router.post(
    "/model/reload",
    responses=problems(_NOT_READY, ("model_invalid", "'detector.onnx' is not a usable ONNX file")),
)
async def reload(service: ServiceDep) -> ModelCard:
    """Load the model file anew; if it does not load, the old model goes on serving and the reason is told."""
    await service.reload()
    return service.scorer.detector.card
