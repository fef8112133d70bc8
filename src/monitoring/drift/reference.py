"""The reference window: photos that the model never saw in training, as it met them; one small npz file.

It lies beside the model (`detector.onnx` → `detector.reference.npz`), and the model's card names its sha256.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, fields, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from src.monitoring.drift.bank import CHARTS, Simulation, find_limits
from src.monitoring.drift.inputs import input_features
from src.monitoring.drift.space import Crowd, Sample, Space
from src.monitoring.drift.statistics import Floats
from src.utils.errors import ModelError

DIMENSIONS = 32
"""Dimensions that embeddings are reduced to."""
CHARTED = 12
"""How many of them, those of most variance, the charts watch; each costs power against all other shifts."""
_LEAST_PHOTOS = 100


class ReferenceFacts(BaseModel):
    """What the file says of itself.

    Attributes:
        model_version: Of the model that scored the photos.
        origin: Which photos they are.
        cut: Logit from which on the default policy says `ai_generated`.
        charted: Dimensions that the charts watch.
        limits: Limit of each chart.
        burst: Mean number of photos that one source sends in a row, as simulated.
        photos_between_alarms: Stable photos for one false alarm, as the limits were simulated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    model_version: str
    origin: str
    cut: float
    charted: int = Field(ge=1)
    limits: dict[str, float]
    burst: float = Field(ge=1.0)
    photos_between_alarms: float = Field(gt=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """N photos as a model met them, before anything is learnt from them.

    Attributes:
        embedding: float [N, D].
        logit: float64 [N], before calibration.
        review: bool [N], the default policy sends them to a person.
        fake: bool [N], the truth.
        source: [N], the shop, or whoever else sends several photos in a row.
        group: [N]; photos of one group are never halved apart.
        format: [N], as the files' bytes tell it.
        width: float64 [N], pixels.
        height: float64 [N], pixels.
        quality: float64 [N], estimated JPEG quality; NaN for other formats.
        bytes_per_pixel: float64 [N]; NaN where it is not known.
    """

    embedding: NDArray[np.floating]
    logit: Floats
    review: NDArray[np.bool_]
    fake: NDArray[np.bool_]
    source: NDArray[np.generic]
    group: NDArray[np.generic]
    format: NDArray[np.str_]
    width: Floats
    height: Floats
    quality: Floats
    bytes_per_pixel: Floats


@dataclass(frozen=True, eq=False)
class Reference:
    """What live traffic is compared with.

    Attributes:
        facts: What the file says of itself.
        centre: float32 [D], mean embedding.
        projection: float32 [D, P], principal directions scaled to unit variance, largest first.
        reduced: float32 [N, P].
        logit: float32 [N].
        fake: bool [N].
        review: bool [N].
        source: int32 [N], a number for each shop.
        format: [N].
        width: float32 [N].
        height: float32 [N].
        quality: float32 [N].
        bytes_per_pixel: float32 [N].
    """

    facts: ReferenceFacts
    centre: NDArray[np.float32]
    projection: NDArray[np.float32]
    reduced: NDArray[np.float32]
    logit: NDArray[np.float32]
    fake: NDArray[np.bool_]
    review: NDArray[np.bool_]
    source: NDArray[np.int32]
    format: NDArray[np.str_]
    width: NDArray[np.float32]
    height: NDArray[np.float32]
    quality: NDArray[np.float32]
    bytes_per_pixel: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.logit)

    @classmethod
    def fit(
        cls,
        photos: Photos,
        *,
        cut: float,
        model_version: str,
        origin: str,
        plan: Simulation | None = None,
    ) -> Reference:
        """Learn a reference, and find by simulation the limits that keep false alarms rare.

        Args:
            photos: Photos that the model was not trained on: it knows its own training photos too well.
            cut: Logit from which on the default policy says `ai_generated`.
            model_version: Of the model that scored them.
            origin: Which photos they are, for people.
            plan: Of the simulation.

        Raises:
            ModelError: There are too few photos, of one verdict or altogether.
        """
        plan = plan or Simulation()
        if len(photos.logit) < _LEAST_PHOTOS:
            raise ModelError(
                f"a reference needs {_LEAST_PHOTOS} photos at least; there are {len(photos.logit)}"
            )
        centre, projection = _principal(photos.embedding)
        # Kept as it will be read: limits must belong to the very numbers that are shipped.
        reduced = ((photos.embedding - centre) @ projection).astype(np.float16).astype(np.float32)
        reference = cls(
            facts=ReferenceFacts(
                model_version=model_version,
                origin=origin,
                cut=cut,
                charted=min(CHARTED, reduced.shape[1]),
                limits={},
                burst=plan.burst,
                photos_between_alarms=plan.photos_between_alarms,
            ),
            centre=centre,
            projection=projection,
            reduced=reduced,
            logit=photos.logit.astype(np.float32),
            fake=photos.fake,
            review=photos.review,
            source=np.unique(photos.source, return_inverse=True)[1].astype(np.int32),
            format=photos.format.astype("U12"),
            width=photos.width.astype(np.float32),
            height=photos.height.astype(np.float32),
            quality=photos.quality.astype(np.float32),
            bytes_per_pixel=photos.bytes_per_pixel.astype(np.float32),
        )
        try:
            limits = find_limits(reference.space, reference.sample, reference.crowd, photos.group, plan)
        except ValueError as error:
            raise ModelError(f"no reference can be made of these photos: {error}") from error
        return replace(reference, facts=reference.facts.model_copy(update={"limits": limits}))

    @cached_property
    def sample(self) -> Sample:
        """The reference's own photos as the space takes them."""
        columns = (self.width, self.height, self.quality, self.bytes_per_pixel)
        inputs = input_features(self.format, *(column.astype(np.float64) for column in columns))
        return Sample(self.reduced.astype(np.float64), self.logit.astype(np.float64), inputs)

    @property
    def crowd(self) -> Crowd:
        """Labels and shops of the reference's photos."""
        return Crowd(self.fake, self.source)

    @cached_property
    def space(self) -> Space:
        """The features that charts watch, learnt on all photos of the reference."""
        return Space.fit(self.sample, self.crowd, charted=self.facts.charted, burst=self.facts.burst)

    def reduce(self, embedding: NDArray[np.floating]) -> Floats:
        """Reduce embeddings [N, D] to float64 [N, P]."""
        reduced: Floats = ((embedding - self.centre) @ self.projection).astype(np.float64)
        return reduced

    def to_bytes(self) -> bytes:
        """The file's content; the same reference gives the same bytes."""
        arrays = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "facts"}
        arrays["reduced"] = arrays["reduced"].astype(np.float16)
        stream = BytesIO()
        np.savez_compressed(stream, facts=np.array(self.facts.model_dump_json()), **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Reference:
        """Read a file's content.

        Raises:
            ModelError: It is no reference.
        """
        try:
            with np.load(BytesIO(content), allow_pickle=False) as file:
                facts = ReferenceFacts.model_validate_json(str(file["facts"]))
                arrays = {item.name: file[item.name] for item in fields(cls) if item.name != "facts"}
        except (KeyError, ValueError, OSError, EOFError, BadZipFile, zlib.error) as error:
            raise ModelError("the drift reference cannot be read") from error
        if set(facts.limits) != set(CHARTS):
            raise ModelError("the drift reference is of another version: its charts are not these")
        arrays["reduced"] = arrays["reduced"].astype(np.float32)
        return cls(facts=facts, **arrays)


def reference_path(model: Path) -> Path:
    """Where a model's reference lies: `detector.onnx` → `detector.reference.npz`."""
    return model.with_name(f"{model.stem}.reference.npz")


def content_hash(content: bytes) -> str:
    """Sha256 in hex, as the card names it."""
    return hashlib.sha256(content).hexdigest()


def read_reference(path: Path, expected: str | None = None) -> Reference:
    """Read a reference.

    Args:
        path: The file.
        expected: Its sha256, as the model's card names it; unchecked without one.

    Raises:
        ModelError: The file is missing, damaged, or not the one that the card names.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"no drift reference {path.name}") from error
    if expected is not None and content_hash(content) != expected:
        raise ModelError(f"{path.name} is not the drift reference that the model's card names")
    return Reference.from_bytes(content)


def write_reference(path: Path, reference: Reference) -> str:
    """Write a reference in one step; returns its sha256."""
    content = reference.to_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return content_hash(content)


def _principal(embedding: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centre [D] and projection [D, P] to unit variance, by principal components."""
    values = embedding.astype(np.float64)
    centre = values.mean(axis=0)
    _, scale, directions = np.linalg.svd(values - centre, full_matrices=False)
    kept = min(DIMENSIONS, int((scale > 1e-6 * scale[0]).sum()))
    deviation = scale[:kept] / np.sqrt(max(1, len(values) - 1))
    # The sign of a direction is nobody's: fixed, so that the same photos give the same file.
    signs = np.sign(directions[np.arange(kept), np.abs(directions[:kept]).argmax(axis=1)])
    projection = (directions[:kept] * (signs / deviation)[:, None]).T
    return centre.astype(np.float32), projection.astype(np.float32)
