"""A small world for evaluation: synthetic score tables; procedural photos and a model that knows them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.manifest import PhotoRecord, write_manifest
from src.data.splits import Split, splits_hash, write_splits
from src.evaluation.origin import Forms, ScoreMeta, count_forms, write_meta
from src.evaluation.scores import ScoreRow, ScoreTable, as_table, write_scores
from src.utils.model_card import ModelCard, TrainingFacts
from tests.support.tiny_model import tiny_card, write_tiny_model

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
                        form="stored" if photo == 1 else "original",
                        logit=round(float(parts.mean()), 5),
                        global_logit=round(float(parts[0]), 5),
                        crop_logits=(round(float(parts[1]), 5),),
                    )
                )
    return rows


def score_meta(**changes: object) -> ScoreMeta:
    """A finished meta of a `test` table; `changes` replace fields."""
    fields: dict[str, object] = {
        "network": "released",
        "model_version": "1",
        "select": "test",
        "manifest_hash": "m",
        "splits_hash": "s",
        "held_out_fold": None,
        "steps": 1500,
        "crops": 1,
        "forms": Forms(original=1, stored=0, missing=0),
    }
    return ScoreMeta.model_validate(fields | changes)


def write_table(path: Path, rows: list[ScoreRow], missing: int = 0, **changes: object) -> Path:
    """A score table with a meta that fits it; `changes` replace fields of the meta."""
    write_scores(path, rows)
    forms = count_forms(rows, len({row.photo_id for row in rows}) + missing)
    write_meta(path, score_meta(**({"forms": forms} | changes)))
    return path


def write_folds(folder: Path, rows: list[ScoreRow], **changes: object) -> list[Path]:
    """A table for each fold, by a network of its own of 550 steps."""
    return [
        write_table(
            folder / f"fold{fold}.csv",
            [row for row in rows if row.fold == fold],
            **(
                {"network": f"n{fold}", "select": f"fold:{fold}", "held_out_fold": fold, "steps": 550}
                | changes
            ),
        )
        for fold in sorted({row.fold for row in rows})
    ]


def released_card(**changes: object) -> ModelCard:
    """The card of a network trained by the splits of `score_meta`."""
    return tiny_card(training=TrainingFacts(photos=99, steps=1500, splits_hash="s"), **changes)


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

    def card(self, held_out_fold: int | None = None, **changes: object) -> ModelCard:
        """The tiny card of a network trained by these splits."""
        facts: dict[str, object] = {
            "photos": 9,
            "steps": 100,
            "splits_hash": splits_hash(self.split_of.values()),
            "held_out_fold": held_out_fold,
        }
        return tiny_card(training=TrainingFacts.model_validate(facts | changes))

    def without_fold(self, fold: int) -> Path:
        """Another model file, of a network that never saw this fold."""
        return write_tiny_model(self.root / f"without_{fold}.onnx", self.card(fold))

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
    by_id = {split.photo_id: split for split in splits}
    world = World(tmp_path, manifest, splits_path, raw, tmp_path / "detector.onnx", records, by_id)
    write_tiny_model(world.model, world.card())
    return world
