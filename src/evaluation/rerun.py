"""Runs model files anew on pictures drawn here: answers must be finite, repeatable and the same in a batch.

Their speed on this machine and their size are measured beside, so that two models can be compared.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict

from src.inference.detector import Detection, Detector
from src.utils.errors import ImageError, ModelError

PARITY_LIMIT = 1e-4
"""Largest difference of probability between a photo alone and in a batch; that of the export."""
PHOTOS = 12
_SIZES = ((640, 480), (480, 640), (900, 900), (333, 500))
_BATCHES = (3, 4)


class Rerun(BaseModel):
    """What a model file did.

    Attributes:
        photos: Pictures it judged.
        not_finite: Of these, with an answer that is no finite number.
        repeat_difference: Largest difference of probability between two runs.
        batch_difference: Largest difference of probability between alone and in a batch.
        median_ms: Of one photo on one thread, from bytes to verdict.
        megabytes: Of the file, in 10^6 bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: int
    not_finite: int
    repeat_difference: float
    batch_difference: float
    median_ms: float
    megabytes: float


def drawn_photos(count: int = PHOTOS, seed: int = 5) -> list[bytes]:
    """JPEG pictures of bodies on a ground with some noise; the same on every machine."""
    rng = np.random.default_rng(seed)
    photos = []
    for number in range(count):
        width, height = _SIZES[number % len(_SIZES)]
        ground, body = rng.integers(90, 250, 3), rng.integers(10, 220, 3)
        pixels = np.tile(ground, (height, width, 1)) + rng.integers(-9, 10, (height, width, 1))
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        box = (width // 5, height // 4, width - width // 4, height - height // 6)
        ImageDraw.Draw(image).ellipse(box, fill=tuple(int(value) for value in body))
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=60 + 5 * (number % 8))
        photos.append(stream.getvalue())
    return photos


def rerun(paths: Sequence[Path], photos: Sequence[bytes] | None = None) -> list[Rerun]:
    """Run model files on the same pictures, by turns, so that a busy machine is busy for all of them.

    Raises:
        ModelError: A file cannot be loaded, or fails on a picture that is sound.
    """
    pictures = drawn_photos() if photos is None else photos
    detectors = [Detector.from_file(path, threads=1) for path in paths]
    first: list[list[Detection]] = [[] for _ in paths]
    again: list[list[Detection]] = [[] for _ in paths]
    times: list[list[float]] = [[] for _ in paths]
    for runs in (first, again):
        for photo in pictures:
            for index, detector in enumerate(detectors):
                start = perf_counter()
                runs[index].append(_one(detector, photo))
                times[index].append((perf_counter() - start) * 1000.0)
    return [
        Rerun(
            photos=len(pictures),
            not_finite=sum(not _is_finite(detection) for detection in first[index]),
            repeat_difference=_difference(_probabilities(first[index]), _probabilities(again[index])),
            batch_difference=_batch_difference(detector, pictures, _probabilities(first[index])),
            median_ms=float(np.median(times[index])),
            megabytes=paths[index].stat().st_size / 1e6,
        )
        for index, detector in enumerate(detectors)
    ]


def _batch_difference(detector: Detector, photos: Sequence[bytes], alone: NDArray[np.float64]) -> float:
    largest = 0.0
    for size in _BATCHES:
        for start in range(0, len(photos), size):
            part = [detector.prepare(photo) for photo in photos[start : start + size]]
            together = detector.judge(part, [None] * len(part))
            largest = max(largest, _difference(_probabilities(together), alone[start : start + size]))
    return largest


def _one(detector: Detector, photo: bytes) -> Detection:
    try:
        return detector.detect(photo)
    except ImageError as error:
        raise ModelError("the model's card refuses a sound photo") from error


def _is_finite(detection: Detection) -> bool:
    return bool(
        np.isfinite([detection.logit, detection.probability]).all() and np.isfinite(detection.embedding).all()
    )


def _probabilities(detections: Sequence[Detection]) -> NDArray[np.float64]:
    return np.array([detection.probability for detection in detections])


def _difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Largest absolute difference; infinite where one is no number, so that no limit is met."""
    differences = np.abs(first - second)
    return float(differences.max(initial=0.0)) if np.isfinite(differences).all() else float("inf")
