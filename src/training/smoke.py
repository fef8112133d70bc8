"""A tiny training of the whole line on pictures drawn here: for tests and a first look, not for verdicts.

The "generated" pictures carry a faint grid, as a careless upsampler leaves it, the "photos" sensor noise.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from src.data.layout import stored_path
from src.data.manifest import PhotoRecord, write_manifest
from src.data.splits import make_splits, write_splits
from src.training.config import OptimConfig, SizeStep, TrainConfig

SHOPS = 6
PHOTOS_PER_SHOP = 8
SIDE = 128


def smoke_config(config: TrainConfig) -> TrainConfig:
    """Draw the pictures under `output`/smoke and give a run that trains on them in under a minute."""
    folder = config.output / "smoke"
    data = config.data.model_copy(
        update={
            "manifest": folder / "manifest.csv",
            "splits": folder / "splits.csv",
            "raw": folder / "raw",
            "cache": folder / "cache",
        }
    )
    records = draw_set(data.raw, config.seed)
    write_manifest(data.manifest, records)
    write_splits(data.splits, make_splits(records, config.seed, test_share=0.2, val_share=0.2, folds=3))
    small = {"architecture": "test_efficientnet", "initial_weights": "none", "dropout": 0.0}
    views = {"max_side": SIDE, "global_sizes": (64,), "crop_size": 64, "crops": 2}
    optim = OptimConfig(
        steps=60,
        batch_size=16,
        learning_rate=3e-3,
        warmup_steps=5,
        ema_decay=0.9,
        size_schedule=(SizeStep(until=1.0, size=64),),
    )
    return config.model_copy(
        update={
            "name": "smoke",
            "data": data,
            "model": config.model.model_copy(update=small),
            "views": config.views.model_copy(update=views),
            "optim": optim,
            "augment": config.augment.model_copy(update={"rescale": 0.2, "codec": 0.3}),
            "validation": config.validation.model_copy(update={"every": 30, "photos": 16}),
            "checkpoint_every": 20,
            "loader_workers": 0,
            "output": folder,
            "tracking_uri": f"sqlite:///{folder}/mlflow.db",
        }
    )


def draw_set(raw: Path, seed: int) -> list[PhotoRecord]:
    """Draw `SHOPS` shops of each label into the layout of `data/raw`; the same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    records = []
    for fake in (False, True):
        for shop in range(SHOPS):
            for number in range(PHOTOS_PER_SHOP):
                buffer = io.BytesIO()
                draw(rng, fake=fake).save(buffer, "JPEG", quality=90)
                record = _record(buffer.getvalue(), shop, number, fake=fake)
                path = stored_path(record, raw)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(buffer.getvalue())
                records.append(record)
    return records


def draw(rng: np.random.Generator, *, fake: bool) -> Image.Image:
    """A coloured body on a plain ground, `SIDE` px square."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    ground, body = rng.uniform(120, 240, 3), rng.uniform(20, 220, 3)
    centre, radius = rng.uniform(0.35, 0.65, 2), rng.uniform(0.15, 0.35)
    inside = np.hypot(x - centre[0], y - centre[1]) < radius
    pixels = np.where(inside[..., None], body * (0.7 + 0.6 * x[..., None]), ground)
    if fake:
        grid = np.sin(np.arange(SIDE) * (2 * np.pi / 6))
        pixels += 16 * (grid[:, None] + grid)[..., None]
    else:
        pixels += rng.normal(0, 6, (SIDE, SIDE, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _record(data: bytes, shop: int, number: int, *, fake: bool) -> PhotoRecord:
    sha256 = hashlib.sha256(data).hexdigest()
    source = f"{'fake' if fake else 'real'}-shop-{shop}"
    return PhotoRecord(
        path=f"images/{sha256[:16]}.jpg",
        label="ai_generated" if fake else "real",
        generator="procedural" if fake else "camera",
        source=source,
        group=f"{source}:{number}",
        category="other",
        product_like="yes",
        style="" if fake else "studio",
        year=None,
        licence="MIT",
        repo="local/procedural",
        commit="0" * 40,
        repo_path=f"{source}/{number}.jpg",
        sha256=sha256,
        original_format="JPEG",
        original_width=SIDE,
        original_height=SIDE,
        width=SIDE,
        height=SIDE,
    )
