"""Photos in, verdicts out: decode → views → ONNX Runtime → calibration → policy, one straight line.

`Detector.from_file(path).detect(photo)` is all that most callers need; a detector may be shared by threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from src.imaging.decode import DEFAULT_LIMITS, ImageLimits
from src.imaging.views import WHOLE, Views, combine_logits, make_views
from src.inference.attribution import Attributor, attributor_beside
from src.inference.blocks import Blocks, give_back, let_go
from src.inference.detection import Detection, verdict
from src.inference.heatmap import Grid, assemble
from src.inference.photo import Photo, limits_of, open_photo
from src.inference.session import Device, Raw, Session
from src.utils.errors import ImageError
from src.utils.model_card import ModelCard
from src.utils.settings import Settings

__all__ = ["Detection", "Detector", "Photo", "Prepared", "ViewScores"]

_VIEWS_PER_RUN = 2
"""Views in one call of the runtime. More gain no speed on a CPU (one view fills it) and cost memory."""
_PHOTOS_PER_CHUNK = 4


@dataclass(frozen=True, slots=True)
class ViewScores:
    """The network's raw answers for one photo.

    Attributes:
        global_logit: Mean logit of the global views.
        crop_logits: float32 [K].
        global_cam: float32 [h, w], of the first global view.
        crop_cams: float32 [K, h, w].
        embedding: float32 [D], of the first global view.
    """

    global_logit: float
    crop_logits: NDArray[np.float32]
    global_cam: NDArray[np.float32]
    crop_cams: NDArray[np.float32]
    embedding: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A photo's views, ready for the network, and what it cost to make them.

    Attributes:
        views: As `make_views` cuts them.
        decode_ms: Milliseconds from bytes to a picture.
        views_ms: Milliseconds from the picture to views.
    """

    views: Views
    decode_ms: float
    views_ms: float


class Detector:
    """A loaded model with everything its card says applied around it."""

    def __init__(
        self,
        session: Session,
        limits: ImageLimits = DEFAULT_LIMITS,
        blocks: Blocks | None = None,
        attributor: Attributor | None = None,
    ) -> None:
        self._session = session
        self._limits = limits
        self._blocks = blocks
        self._attributor = attributor

    def __del__(self) -> None:
        """Return a replaced model's memory to the system, where the memory of photos is minded, too."""
        if getattr(self, "_blocks", None) is not None:
            del self._session
            give_back()

    @classmethod
    def from_file(
        cls, path: Path | str, *, threads: int | None = None, limits: ImageLimits | None = None
    ) -> Detector:
        """Load a model file, and what lies beside it to attribute generators, and warm it up.

        Args:
            path: An ONNX file with a model card in its metadata.
            threads: Threads of one inference; all cores by default.
            limits: What a photo may ask for.

        Raises:
            ModelError: The file is missing, damaged, or of another contract.
        """
        session = Session.load(Path(path), threads)
        return cls(session, limits or DEFAULT_LIMITS, None, attributor_beside(Path(path), session.card))

    @classmethod
    def from_settings(cls, settings: Settings, device: Device = "cpu") -> Detector:
        """Load the model that the settings name, with their limits.

        Args:
            settings: The service's.
            device: What computes.

        Raises:
            ModelError: As for `from_file`.
            ConfigError: There is no such device.
        """
        limits = limits_of(settings)
        session = Session.load(settings.model_path, settings.intra_op_threads, device)
        detector = cls(session, limits, Blocks(), attributor_beside(settings.model_path, session.card))
        give_back()
        return detector

    @property
    def card(self) -> ModelCard:
        """The contract of the loaded model."""
        return self._session.card

    def detect(self, photo: Photo, policy: str | None = None) -> Detection:
        """Judge one photo.

        Args:
            photo: A file's bytes, its path, or a picture that is decoded already.
            policy: Name of a policy in the card; the card's default by default.

        Raises:
            ImageError: The photo cannot be used.
            PolicyError: The card has no such policy.
        """
        result = self.detect_batch([photo], policy)[0]
        if isinstance(result, ImageError):
            raise result
        return result

    def detect_batch(
        self, photos: Sequence[Photo], policy: str | None = None
    ) -> list[Detection | ImageError]:
        """Judge many photos; views of several photos share the runtime's calls.

        Args:
            photos: As for `detect`, of any mix of sizes.
            policy: As for `detect`.

        Returns:
            For each photo, in order, its verdict or the error that says why there is none.

        Raises:
            PolicyError: The card has no such policy.
        """
        self.card.policy(policy)  # an unknown policy is one error, not one for each photo
        results: list[Detection | ImageError] = []
        for start in range(0, len(photos), _PHOTOS_PER_CHUNK):
            results.extend(self._detect_chunk(photos[start : start + _PHOTOS_PER_CHUNK], policy))
        return results

    def score_views(self, views: Sequence[Views]) -> list[ViewScores]:
        """Run the network on the views of several photos.

        Args:
            views: As `make_views` cuts them by this model's plan.

        Returns:
            Raw scores for each photo, in order.
        """
        if not views:
            return []
        # Whole photos differ in shape; one alone fills a CPU.
        whole = [[self._run(view) for view in item.global_views] for item in views]
        close = self._run(np.concatenate([item.crops for item in views]))
        ends = np.cumsum([len(item.crops) for item in views])
        return [
            ViewScores(
                global_logit=float(np.mean([raw.logit[0] for raw in whole[i]])),
                crop_logits=close.logit[end - len(item.crops) : end],
                global_cam=whole[i][0].cam[0],
                crop_cams=close.cam[end - len(item.crops) : end],
                embedding=whole[i][0].embedding[0].copy(),  # a kept verdict must not keep its batch
            )
            for i, (item, end) in enumerate(zip(views, ends.tolist(), strict=True))
        ]

    def prepare(self, photo: Photo) -> Prepared:
        """Do what needs no network: decode a photo and cut its views.

        Args:
            photo: As for `detect`.

        Raises:
            ImageError: The photo cannot be used.
        """
        try:
            return self._prepare(photo)
        finally:
            if self._blocks is not None:
                self._blocks.tidy()

    def judge(self, items: Sequence[Prepared], policies: Sequence[str | None]) -> list[Detection]:
        """Score prepared photos together and apply to each its policy.

        Args:
            items: Photos that this detector prepared.
            policies: One for each photo, as for `detect`.

        Returns:
            A verdict for each photo, in order.

        Raises:
            PolicyError: The card has no such policy.
        """
        start = perf_counter()
        scores = self.score_views([item.views for item in items])
        share_ms = _since(start) / max(1, len(items))
        return [
            self._conclude(item, score, share_ms, policy)
            for item, score, policy in zip(items, scores, policies, strict=True)
        ]

    def _prepare(self, photo: Photo) -> Prepared:
        start = perf_counter()
        try:
            image = open_photo(photo, self._limits, self.card.views.max_side)
        except ImageError as error:
            let_go(error)
            raise
        decode_ms = _since(start)
        start = perf_counter()
        views = make_views(image, self.card.views, self.card.mean, self.card.std)
        return Prepared(views, decode_ms, _since(start))

    def _detect_chunk(self, photos: Sequence[Photo], policy: str | None) -> list[Detection | ImageError]:
        items = [self._try_prepare(photo) for photo in photos]
        usable = [item for item in items if isinstance(item, Prepared)]
        verdicts = iter(self.judge(usable, [policy] * len(usable)))
        return [item if isinstance(item, ImageError) else next(verdicts) for item in items]

    def _try_prepare(self, photo: Photo) -> Prepared | ImageError:
        try:
            return self.prepare(photo)
        except ImageError as error:
            return error

    def _conclude(
        self, item: Prepared, scores: ViewScores, inference_ms: float, policy: str | None
    ) -> Detection:
        start = perf_counter()
        name, rule = self.card.policy(policy)
        crop_logits = [float(logit) for logit in scores.crop_logits]
        logit = combine_logits(self.card.views, scores.global_logit, crop_logits)
        probability = self.card.calibration.probability(logit)
        label, confidence, needs_review = verdict(probability, rule)
        heatmap = self._heatmap(item.views, scores)
        told = self._attributor if label == "ai_generated" or needs_review else None
        scores.embedding.setflags(write=False)
        total = item.decode_ms + item.views_ms + inference_ms + _since(start)
        timings = (item.decode_ms, item.views_ms, inference_ms, total)
        return Detection(
            label=label,
            probability=probability,
            confidence=confidence,
            needs_review=needs_review,
            threshold=rule.threshold,
            policy=name,
            model_version=self.card.version,
            logit=logit,
            global_logit=scores.global_logit,
            crop_logits=tuple(crop_logits),
            heatmap=heatmap,
            timings_ms={
                stage: round(value, 3)
                for stage, value in zip(("decode", "views", "inference", "total"), timings, strict=True)
            },
            attribution=None if told is None else told.of(scores.embedding),
            embedding=scores.embedding,
        )

    def _heatmap(self, views: Views, scores: ViewScores) -> Grid:
        """Where a crop lies, the global views and the crop count as they do in the photo's logit."""
        share = self.card.views.global_weight
        # A weight of 0 would blank the places that no crop saw.
        weights = [max(share, 1e-6)] + [1.0 - share] * len(views.crop_boxes)
        cams = [scores.global_cam, *scores.crop_cams]
        return assemble(cams, [WHOLE, *views.crop_boxes], weights, self.card.calibration)

    def _run(self, images: NDArray[np.float32]) -> Raw:
        """Score N views of one size in calls of bounded size; N may be 0."""
        if not len(images):
            return Raw(np.zeros(0, np.float32), np.zeros((0, 0), np.float32), np.zeros((0, 0, 0), np.float32))
        parts = [
            self._session.run(images[i : i + _VIEWS_PER_RUN]) for i in range(0, len(images), _VIEWS_PER_RUN)
        ]
        return Raw(
            logit=np.concatenate([part.logit for part in parts]),
            embedding=np.concatenate([part.embedding for part in parts]),
            cam=np.concatenate([part.cam for part in parts]),
        )


def _since(start: float) -> float:
    return (perf_counter() - start) * 1000.0
