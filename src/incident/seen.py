"""Photos as a network sees them: the embedding whose head is the photo's logit, beside the photo's facts.

With it a new head is judged on thousands of photos in a moment, without running the network again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from src.data.facts import open_facts
from src.data.families import family_of
from src.data.layout import locate
from src.data.manifest import PhotoRecord
from src.evaluation.reference import default_cut
from src.evaluation.scores import ScoreTable
from src.imaging.decode import decode
from src.imaging.degrade import Tier, apply_tier
from src.imaging.views import Views, make_views
from src.incident.fitting import Examples
from src.incident.head import Head
from src.inference.session import Session
from src.monitoring.drift.bank import Simulation
from src.monitoring.drift.reference import Photos, Reference
from src.utils.errors import DataError, ImageError
from src.utils.model_card import ModelCard, ViewPlan

log = structlog.get_logger(__name__)

_WORKERS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """N rows, one a photo and tier.

    Attributes:
        embedding: float32 [N, D], of all views by the card's plan: a head on it gives the photo's logit.
        first: float32 [N, D], of the first view: what the service keeps.
        fake: bool [N].
        sha256: Of the original.
        format: Of the file, as its bytes tell it.
        width: float64 [N], as those after it; NaN where it is not known.
    """

    embedding: NDArray[np.float32]
    first: NDArray[np.float32]
    fake: NDArray[np.bool_]
    sha256: NDArray[np.str_]
    generator: NDArray[np.str_]
    source: NDArray[np.str_]
    group: NDArray[np.str_]
    category: NDArray[np.str_]
    style: NDArray[np.str_]
    tier: NDArray[np.str_]
    format: NDArray[np.str_]
    width: NDArray[np.float64]
    height: NDArray[np.float64]
    quality: NDArray[np.float64]
    bytes_per_pixel: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.fake)

    def where(self, mask: NDArray[np.bool_] | NDArray[np.int64]) -> Seen:
        """The rows that a mask [N] or indices choose."""
        return Seen(**{item.name: getattr(self, item.name)[mask] for item in fields(self)})

    def joined(self, other: Seen) -> Seen:
        """These rows, and those of another table of the same network behind them."""
        parts = {item.name: (getattr(self, item.name), getattr(other, item.name)) for item in fields(self)}
        return Seen(**{name: np.concatenate(pair) for name, pair in parts.items()})

    @property
    def clean(self) -> Seen:
        """The photos as they came."""
        return self.where(self.tier == "clean")

    def examples(self, *, kept: bool = False) -> Examples:
        """As a refit takes them; `kept` takes the embedding that the service keeps."""
        return Examples(self.first if kept else self.embedding, self.fake, self.source, self.group)

    def scores(self, head: Head) -> ScoreTable:
        """The rows as a score table under a head; the photo's logit stands for that of its whole view."""
        logit = head.logit(self.embedding)
        return ScoreTable(
            photo_id=np.array([each[:16] for each in self.sha256.tolist()], dtype="U16"),
            fake=self.fake,
            generator=self.generator,
            family=np.array([family_of(each) for each in self.generator.tolist()], dtype="U32"),
            source=self.source,
            category=self.category,
            style=self.style,
            fold=np.zeros(len(self), np.int64),
            tier=self.tier,
            logit=logit,
            global_logit=logit,
            crop_logits=np.full((len(self), 0), np.nan),
        )

    def reference(
        self, head: Head, card: ModelCard, origin: str, plan: Simulation | None = None
    ) -> Reference:
        """The drift reference of these photos in their clean form, under a head.

        Raises:
            ModelError: There are too few photos.
        """
        mine = self.clean
        logit = head.logit(mine.embedding)
        probability = np.asarray(card.calibration.probability(logit))
        _, policy = card.policy()
        photos = Photos(
            embedding=mine.first.astype(np.float16).astype(np.float32),
            logit=logit,
            review=(probability >= policy.review_low) & (probability < policy.review_high),
            fake=mine.fake,
            source=mine.source,
            group=mine.group,
            format=mine.format,
            width=mine.width,
            height=mine.height,
            quality=mine.quality,
            bytes_per_pixel=mine.bytes_per_pixel,
        )
        return Reference.fit(
            photos, cut=default_cut(card), model_version=card.version, origin=origin, plan=plan
        )


def look(model: Path, records: Sequence[PhotoRecord], raw: Path, tiers: Sequence[Tier] = ("clean",)) -> Seen:
    """Run a network over photos; one that cannot be used is left out and told.

    Raises:
        DataError: No photo could be used.
        ModelError: The model cannot be loaded.
    """
    session = Session.load(model, threads=1)

    def work(record: PhotoRecord) -> list[dict[str, object]]:
        try:
            return list(_rows(session, record, raw, tiers))
        except ImageError as error:
            log.warning("photo_not_embedded", photo_id=record.photo_id, code=error.code)
            return []

    with ThreadPoolExecutor(_WORKERS) as pool:
        rows = [row for found in pool.map(work, records) for row in found]
    if not rows:
        raise DataError("no photo could be embedded")
    return Seen(**{item.name: np.array([row[item.name] for row in rows]) for item in fields(Seen)})


def _rows(
    session: Session, record: PhotoRecord, raw: Path, tiers: Sequence[Tier]
) -> Iterator[dict[str, object]]:
    path = locate(record, raw)
    if path is None:
        raise ImageError("unreadable_file", f"photo {record.photo_id} is not under the raw folder")
    data = path.read_bytes()
    card = session.card
    image = decode(data, draft_side=card.views.max_side)
    facts = open_facts(data)
    for tier in tiers:
        views = make_views(apply_tier(image, tier), card.views, card.mean, card.std)
        embedding, first = embed(session, views, card.views)
        yield {
            "embedding": embedding,
            "first": first,
            "fake": record.is_fake,
            "sha256": record.sha256,
            "generator": record.generator,
            "source": record.source,
            "group": record.group,
            "category": record.category,
            "style": record.style,
            "tier": str(tier),
            "format": facts.format,
            "width": float(facts.width),
            "height": float(facts.height),
            "quality": np.nan if facts.quality is None else float(facts.quality),
            "bytes_per_pixel": facts.bytes_per_pixel,
        }


def embed(session: Session, views: Views, plan: ViewPlan) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One photo's embedding by the plan, and that of its first view, each float32 [D].

    A head is linear: the plan's mean of logits is the logit of the plan's mean of embeddings.
    """
    whole: list[NDArray[np.float32]] = [session.run(view).embedding[0] for view in views.global_views]
    mean: NDArray[np.float64] = np.mean(np.stack(whole), axis=0, dtype=np.float64)
    if len(views.crops):
        crops = np.mean([session.run(crop[None]).embedding[0] for crop in views.crops], axis=0)
        mean = plan.global_weight * mean + (1.0 - plan.global_weight) * crops
    return mean.astype(np.float32), whole[0].copy()
