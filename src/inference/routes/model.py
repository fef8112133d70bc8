"""`GET /model` and `POST /model/reload`: which model serves, and the next one put in its place."""

from __future__ import annotations

from fastapi import APIRouter

from src.inference.deps import ServiceDep
from src.inference.schemas import problems
from src.utils.model_card import ModelCard

router = APIRouter(tags=["operation"])

_NOT_READY = ("model_not_ready", "the model is not ready: starting")


@router.get("/model", responses=problems(_NOT_READY))
async def model(service: ServiceDep) -> ModelCard:
    """Return the card of the model in service: views, calibration, policies, figures, origin."""
    return service.scorer.detector.card


@router.post(
    "/model/reload",
    responses=problems(_NOT_READY, ("model_invalid", "'detector.onnx' is not a usable ONNX file")),
)
async def reload(service: ServiceDep) -> ModelCard:
    """Load the model file anew; if it does not load, the old model goes on serving and the reason is told."""
    await service.reload()
    return service.scorer.detector.card
