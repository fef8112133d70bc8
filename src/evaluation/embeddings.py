"""Photos in, one compressed file of embeddings, logits, labels and file facts out: what drift is fitted on.

A photo goes the line that serving uses. Only photos that the network never saw say how it meets live traffic,
so the selection is checked against the model's card as it is for scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import structlog
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from src.data.facts import open_facts
from src.data.families import family_of
from src.data.layout import locate
from src.data.manifest import PhotoRecord
from src.data.splits import Split
from src.evaluation.score import WORKERS, Scorer
from src.imaging.decode import decode
from src.imaging.degrade import Tier, apply_tier
from src.imaging.views import combine_logits, make_views
from src.utils.errors import DataError, ImageError

log = structlog.get_logger(__name__)

_TIER_QUALITY: dict[Tier, int] = {"web": 60, "hard": 40}
_CHUNK = 8
_NETWORK = "network"


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingTable:
    """Columns of N photos and tiers.

    Attributes:
        photo_id: Key of the photo.
        tier: `clean`, `web` or `hard`: what was done to the photo before it was scored.
        fake: True for AI-generated.
        family: Of the generator; `camera` for photos.
        source: The shop.
        group: Product, seller or prompt that several photos share.
        category: Kind of goods.
        split: train, val, test or heldout.
        logit: float64 [N], before calibration.
        embedding: float16 [N, D], as the service keeps it.
        format: Of the file, as its bytes tell it.
        width: Pixels.
        height: Pixels.
        bytes_per_pixel: Of the file; NaN where a tier re-encoded it.
        quality: Estimated JPEG quality; NaN for other formats.
    """

    photo_id: NDArray[np.str_]
    tier: NDArray[np.str_]
    fake: NDArray[np.bool_]
    family: NDArray[np.str_]
    source: NDArray[np.str_]
    group: NDArray[np.str_]
    category: NDArray[np.str_]
    split: NDArray[np.str_]
    logit: NDArray[np.float64]
    embedding: NDArray[np.float16]
    format: NDArray[np.str_]
    width: NDArray[np.float64]
    height: NDArray[np.float64]
    bytes_per_pixel: NDArray[np.float64]
    quality: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.fake)

    def where(self, mask: NDArray[np.bool_] | NDArray[np.int64]) -> EmbeddingTable:
        """The rows that a mask [N] or indices choose."""
        return EmbeddingTable(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})

    def joined(self, other: EmbeddingTable) -> EmbeddingTable:
        """These rows and those of another table behind them."""
        return EmbeddingTable(
            **{
                item.name: np.concatenate([getattr(self, item.name), getattr(other, item.name)])
                for item in fields(self)
            }
        )

    def save(self, path: Path, network: str) -> None:
        """Write the table and the hash of the network that made it, in one step."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.part")
        columns: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        try:
            with draft.open("wb") as file:
                np.savez_compressed(file, **columns | {_NETWORK: np.array(network)})
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> EmbeddingTable:
        """Read a table.

        Raises:
            DataError: The file is missing or of another kind.
        """
        try:
            with np.load(path, allow_pickle=False) as columns:
                return cls(**{field.name: columns[field.name] for field in fields(cls)})
        except FileNotFoundError as error:
            raise DataError(f"no table of embeddings {path.name}") from error
        except (KeyError, ValueError, OSError, BadZipFile) as error:
            raise DataError(f"{path.name} is no table of embeddings") from error


def network_of(path: Path) -> str:
    """Hash of the network that made a table; empty when the file is no table.

    Raises:
        DataError: There is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as columns:
            return str(columns[_NETWORK])
    except FileNotFoundError as error:
        raise DataError(f"no table of embeddings {path.name}") from error
    except (KeyError, ValueError, OSError, BadZipFile):
        return ""


def embed_photos(
    scorer: Scorer,
    records: Sequence[PhotoRecord],
    splits: dict[str, Split],
    raw_dir: Path,
    *,
    tiers: Sequence[Tier],
    workers: int = WORKERS,
) -> EmbeddingTable:
    """Score photos and keep their embeddings; a photo that cannot be used is left out and told.

    Raises:
        DataError: No photo could be used.
    """

    def work(record: PhotoRecord) -> list[dict[str, object]]:
        try:
            return list(_rows(scorer, record, splits[record.photo_id], raw_dir, tiers))
        except ImageError as error:
            log.warning("photo_not_embedded", photo_id=record.photo_id, code=error.code)
            return []

    rows: list[dict[str, object]] = []
    with ThreadPoolExecutor(workers) as pool:
        for start in track(range(0, len(records), _CHUNK), description="embed photos"):
            for found in pool.map(work, records[start : start + _CHUNK]):
                rows.extend(found)
    if not rows:
        raise DataError("no photo could be embedded")
    return EmbeddingTable(**{name: np.array([row[name] for row in rows]) for name in rows[0]})


def _rows(
    scorer: Scorer, record: PhotoRecord, split: Split, raw_dir: Path, tiers: Sequence[Tier]
) -> Iterator[dict[str, object]]:
    path = locate(record, raw_dir)
    if path is None:
        raise ImageError("unreadable_file", f"photo {record.photo_id} is not under the raw folder")
    data = path.read_bytes()
    image = decode(data, draft_side=scorer.card.views.max_side)
    for tier in tiers:
        shown = apply_tier(image, tier)
        facts = _file_facts(data) if tier == "clean" else _tier_facts(shown, tier)
        views = make_views(shown, scorer.card.views, scorer.card.mean, scorer.card.std)
        scores = scorer.score_views([views])[0]
        crops = [float(logit) for logit in scores.crop_logits]
        yield {
            "photo_id": record.photo_id,
            "tier": str(tier),
            "fake": record.label == "ai_generated",
            "family": family_of(record.generator),
            "source": record.source,
            "group": record.group,
            "category": record.category,
            "split": split.split,
            "logit": combine_logits(scorer.card.views, scores.global_logit, crops),
            "embedding": scores.embedding.astype(np.float16),
            **facts,
        }


def _file_facts(data: bytes) -> dict[str, object]:
    facts = open_facts(data)
    return {
        "format": facts.format,
        "width": float(facts.width),
        "height": float(facts.height),
        "bytes_per_pixel": facts.bytes_per_pixel,
        "quality": np.nan if facts.quality is None else float(facts.quality),
    }


def _tier_facts(image: Image.Image, tier: Tier) -> dict[str, object]:
    return {
        "format": "JPEG",
        "width": float(image.width),
        "height": float(image.height),
        "bytes_per_pixel": np.nan,
        "quality": float(_TIER_QUALITY[tier]),
    }
