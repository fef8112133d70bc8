"""Which family of generators a picture resembles, told from its embedding; `unknown` wherever that is unsure.

Class-conditional Gaussians with one shared covariance, as Lee et al. (2018) put them on a network's features:
the distance to the nearest mean (Mahalanobis) says whether a picture is like any known family at all, the
distances to all of them which one (linear discriminant analysis).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from src.inference.evidence import Attribution
from src.utils.errors import ModelError
from src.utils.model_card import Fraction, ModelCard

Floats = NDArray[np.float64]

_FACTS = "facts"
_log = structlog.get_logger()


class AttributorFacts(BaseModel):
    """What an attributor's file says of itself.

    Attributes:
        model: Identity of the model whose embeddings it was fitted on, see `identity_of`.
        families: In the order of the means.
        named: Those whose name has been right often enough to be told.
        temperature: Divides the squared distances' differences (Guo et al. 2017).
        most_distance: Mahalanobis distance beyond which a picture is like no known family.
        least_confidence: Below this probability no family is named.
        precision_floor: Least share of right names for which the two above, and `named`, were chosen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    families: tuple[str, ...] = Field(min_length=2)
    named: tuple[str, ...]
    temperature: float = Field(gt=0.0)
    most_distance: float = Field(ge=0.0)
    least_confidence: float = Field(ge=0.0, le=1.0)
    precision_floor: Fraction


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Where families lie: a linear map of embeddings to a space in which each family has unit spread.

    Attributes:
        centre: float32 [D].
        projection: float32 [D, P].
        means: float32 [C, P], of each family.
    """

    centre: NDArray[np.float32]
    projection: NDArray[np.float32]
    means: NDArray[np.float32]

    def distances(self, embedding: NDArray[np.floating]) -> Floats:
        """Squared Mahalanobis distances float64 [N, C] of embeddings [N, D] to each family's mean."""
        placed = (embedding.astype(np.float32) - self.centre) @ self.projection
        away = placed[:, None, :].astype(np.float64) - self.means[None]
        found: Floats = np.square(away).sum(axis=2)
        return found


def confidences(squared: Floats, temperature: float) -> Floats:
    """Probability of each family [N, C], all held equally likely beforehand."""
    score = -0.5 * (squared - squared.min(axis=1, keepdims=True)) / temperature
    share = np.exp(score)
    found: Floats = share / share.sum(axis=1, keepdims=True)
    return found


@dataclass(frozen=True, slots=True)
class Attributor:
    """Names families, or declines to."""

    facts: AttributorFacts
    space: Space

    def of(self, embedding: NDArray[np.floating]) -> Attribution:
        """Attribute one picture by its embedding [D]."""
        squared = self.space.distances(embedding[None])
        nearest = int(squared[0].argmin())
        confidence = float(confidences(squared, self.facts.temperature)[0, nearest])
        family = self.facts.families[nearest]
        unknown = (
            family not in self.facts.named
            or confidence < self.facts.least_confidence
            or float(np.sqrt(squared[0, nearest])) > self.facts.most_distance
        )
        return Attribution(family=None if unknown else family, confidence=confidence, unknown=unknown)

    def to_bytes(self) -> bytes:
        """The file's content: half precision is plenty, and keeps it small."""
        stream = BytesIO()
        columns: dict[str, Any] = {
            item.name: getattr(self.space, item.name).astype(np.float16) for item in fields(Space)
        }
        columns[_FACTS] = np.array(self.facts.model_dump_json())
        np.savez_compressed(stream, **columns)
        return stream.getvalue()

    @classmethod
    def from_file(cls, path: Path) -> Attributor:
        """Read an attributor.

        Raises:
            ModelError: The file is missing, or is none.
        """
        try:
            with np.load(path, allow_pickle=False) as columns:
                facts = AttributorFacts.model_validate_json(str(columns[_FACTS]))
                space = Space(*(columns[item.name].astype(np.float32) for item in fields(Space)))
        except (OSError, KeyError, ValueError, BadZipFile, ValidationError) as error:
            raise ModelError(f"{path.name} is no attributor of generators") from error
        if space.projection.shape != (len(space.centre), space.means.shape[1]) or len(space.means) != len(
            facts.families
        ):
            raise ModelError(f"{path.name} does not fit together")
        return cls(facts, space)


def attribution_path(model: Path) -> Path:
    """Where the attributor of a model file lies: `detector.onnx` → `detector.attribution.npz`."""
    return model.with_suffix(".attribution.npz")


def identity_of(card: ModelCard) -> str:
    """Names whose embeddings these are: 16 hex digits of what tells one network from the next in its card.

    Calibration, policies and figures may change under the same network, so they do not count.
    """
    told = {"name", "architecture", "views", "mean", "std", "data_hash", "created", "training"}
    return hashlib.sha256(card.model_dump_json(include=told).encode()).hexdigest()[:16]


def attributor_beside(model: Path, card: ModelCard) -> Attributor | None:
    """Load the attributor that lies beside a model; one that does not fit is told and left out.

    A verdict never depends on it, so nothing that is wrong with it keeps a model from serving.
    """
    path = attribution_path(model)
    if not path.is_file():
        return None
    try:
        found = Attributor.from_file(path)
    except ModelError as error:
        _log.warning("attribution_left_out", reason=error.message)
        return None
    if found.facts.model != identity_of(card):
        _log.warning("attribution_left_out", reason="it was fitted on another model's embeddings")
        return None
    return found
