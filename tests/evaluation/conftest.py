"""A small world for evaluation: synthetic score tables; procedural photos and a model that knows them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.manifest import PhotoRecord, write_manifest
from src.data.splits import Split, write_splits
from src.evaluation.scores import ScoreRow, ScoreTable, as_table
from tests.support.tiny_model import write_tiny_model

STYLES = ("seller", "studio", "render")
GENERATORS = ("gpt_image_2", "sd15", "flux1_dev", "gemini_3_pro_image")


def synthetic_rows(
    *,
    shops: int = 20,
    photos: int = 12,
    signal: float = 2.0,
    shop_spread: float = 0.5,
    seed: int = 0,
    split: str = "train",
    tiers: tuple[str, ...] = ("clean", "web", "hard"),
    folds: int = 5,
) -> list[ScoreRow]:
    """Logits of +-signal with noise by photo and shop; every second one sells fakes; each has one fold."""
    rng = np.random.default_rng(seed)
    rows = []
    for shop in range(shops):
        fake = shop % 2 == 1
        offset = rng.normal(0, shop_spread)
        for photo in range(photos):
            base = (signal if fake else -signal) + offset + rng.normal(0, 1.5)
            for tier in tiers:
                parts = base + rng.normal(0, 0.3, size=2)
                rows.append(
                    ScoreRow(
                        photo_id=f"{shop:04d}{photo:04d}{seed:08d}",
                        label="ai_generated" if fake else "real",
                        generator=GENERATORS[shop // 2 % 4] if fake else "camera",
                        source=f"shop-{shop}",
                        group=f"shop-{shop}:{photo}",
                        category=("food", "home")[photo % 2],
                        style="" if fake else STYLES[shop // 2 % 3],
                        split=split,
                        fold=(shop // 2) % folds,
                        tier=tier,
                        logit=round(float(parts.mean()), 5),
                        global_logit=round(float(parts[0]), 5),
                        crop_logit=round(float(parts[1]), 5),
                    )
                )
    return rows


@pytest.fixture
def table() -> ScoreTable:
    """A pooled table of three tiers, 20 shops, 5 folds."""
    return as_table(synthetic_rows())


@dataclass(frozen=True)
class World:
    """Files on disk: a manifest, splits, raw photos and a model to which red is AI-generated."""

    root: Path
    manifest: Path
    splits: Path
    raw: Path
    model: Path
    records: list[PhotoRecord]
    split_of: dict[str, Split]

    def options(self) -> list[str]:
        """The options that every command shares."""
        return [
            *("--model", str(self.model), "--manifest", str(self.manifest)),
            *("--splits", str(self.splits), "--raw", str(self.raw)),
        ]


def make_record(
    name: str, *, fake: bool, source: str, size: tuple[int, int], **changes: object
) -> PhotoRecord:
    """A valid manifest row."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    facts: dict[str, object] = {
        "path": f"images/{digest[:16]}.jpg",
        "label": "ai_generated" if fake else "real",
        "generator": "gpt_image_2" if fake else "camera",
        "source": source,
        "group": f"{source}:{name}",
        "category": "food",
        "product_like": "yes",
        "style": "" if fake else "seller",
        "year": None,
        "licence": "MIT",
        "repo": "some/shop",
        "commit": "0" * 40,
        "repo_path": f"img/{name}.png",
        "sha256": digest,
        "original_format": "PNG",
        "original_width": size[0],
        "original_height": size[1],
        "width": size[0],
        "height": size[1],
    }
    return PhotoRecord.model_validate(facts | changes)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """24 plain photos of 8 shops: fakes are reddish, real photos bluish, in many shades."""
    raw = tmp_path / "raw"
    (raw / "originals").mkdir(parents=True)
    (raw / "images").mkdir()
    rng = np.random.default_rng(3)
    records, splits = [], []
    for shop in range(8):
        fake = shop % 2 == 1
        for photo in range(3):
            size = (120 + 40 * photo, 100)
            record = make_record(f"{shop}-{photo}", fake=fake, source=f"shop-{shop}", size=size)
            strength = int(rng.integers(20, 120))
            colour = (128 + strength, 90, 128) if fake else (128, 90, 128 + strength)
            Image.new("RGB", size, colour).save(raw / "originals" / f"{record.photo_id}.png")
            records.append(record)
            split = "test" if photo == 0 else "train"
            splits.append(Split(photo_id=record.photo_id, split=split, fold=shop // 2 % 2))
    manifest, splits_path = tmp_path / "manifest.csv", tmp_path / "splits.csv"
    write_manifest(manifest, records)
    write_splits(splits_path, splits)
    model = write_tiny_model(tmp_path / "detector.onnx")
    by_id = {split.photo_id: split for split in splits}
    return World(tmp_path, manifest, splits_path, raw, model, records, by_id)
