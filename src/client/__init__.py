"""The service from Python: one typed client that asks again where that is safe; see `DetectorClient`."""

from src.client.client import DetectorClient
from src.client.errors import ApiError, ApiUnreachable
from src.client.photos import Photo
from src.client.replies import (
    Attribution,
    Drift,
    Evidence,
    Explanation,
    Health,
    KeptFeedback,
    KeptPrediction,
    Model,
    Origin,
    Prediction,
    PredictionWithFeedback,
    ReviewPage,
    Signal,
    Stability,
)

__all__ = [
    "ApiError",
    "ApiUnreachable",
    "Attribution",
    "DetectorClient",
    "Drift",
    "Evidence",
    "Explanation",
    "Health",
    "KeptFeedback",
    "KeptPrediction",
    "Model",
    "Origin",
    "Photo",
    "Prediction",
    "PredictionWithFeedback",
    "ReviewPage",
    "Signal",
    "Stability",
]
