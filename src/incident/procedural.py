"""A drawn world for a rehearsal without photos: shops, a kind of fakes that is known, and one that is not.

Photos are bluish and known fakes reddish, which is all that a champion has to learn; the new family is as far
from red as photos are, and greenish, which nobody has asked for yet.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from src.data.layout import original_path
from src.data.manifest import PhotoRecord, read_manifest, write_manifest
from src.data.scan import scan
from src.data.splits import make_splits, write_splits
from src.data.validate import validate

SIDES = (80, 96, 112, 128)
SHOPS = 10
PHOTOS = {"real": 44, "known": 44, "new": 18}
"""In each shop of a kind."""
TINT = {"real": (150, 130, 165), "known": (190, 125, 120), "new": (125, 190, 145)}
"""Mean colour of a kind; each shop and each picture has its own beside it."""
GENERATORS = {"real": "camera", "known": "sdxl", "new": "gpt_image_1"}
FAMILY = "openai"
CONFIG = """\
name: rehearsal
seed: 5
model: {architecture: test_efficientnet, initial_weights: none, dropout: 0.0}
views: {max_side: 96, global_sizes: [64], crop_size: 64, crops: 0, global_weight: 1.0}
augment: {rescale: 0.1, codec: 0.2, colour: 0.0, blur_or_noise: 0.0, hide_corner: 0.0, screenshot: 0.0}
sampling: {crop_share: 0.0, family_power: 0.3}
optim:
  steps: 60
  batch_size: 16
  learning_rate: 0.003
  warmup_steps: 5
  ema_decay: 0.9
  size_schedule: [{until: 1.0, size: 64}]
validation: {every: 60, photos: 16}
checkpoint_every: 60
loader_workers: 0
threads: 1
device: cpu
"""


def draw_world(
    folder: Path,
    seed: int = 3,
    *,
    shops: int = SHOPS,
    photos: Mapping[str, int] = MappingProxyType(PHOTOS),
    folds: int = 3,
) -> tuple[Path, Path, Path, Path]:
    """Draw it; returns manifest, splits, folder of photos, and the configuration of a tiny training."""
    rng = np.random.default_rng(seed)
    records = [
        _keep(draw(kind, rng, habit), rng, (kind, shop, number), folder / "raw")
        for kind in photos
        for shop, habit in enumerate(rng.uniform(-8, 8, (shops, 3)))
        for number in range(photos[kind])
    ]
    manifest, splits, config = folder / "manifest.csv", folder / "splits.csv", folder / "train.yaml"
    write_manifest(manifest, records)
    write_splits(splits, make_splits(records, seed, test_share=0.25, val_share=0.15, folds=folds))
    config.write_text(CONFIG, encoding="utf-8")
    return manifest, splits, folder / "raw", config


def validate_world(manifest: Path, splits: Path, raw: Path, out: Path) -> Path:
    """Validate it as real data are, for the gates to read; returns the report's file."""
    records = read_manifest(manifest)
    files = scan(records, raw, out.with_suffix(".scan.jsonl"))
    rows = {record.photo_id: found for record, found in zip(records, files, strict=True)}
    report = validate(records, rows, splits, (), raw)
    out.write_text(report.model_dump_json(), encoding="utf-8")
    return out


def draw(kind: str, rng: np.random.Generator, habit: NDArray[np.float64] | None = None) -> Image.Image:
    """One picture: a body on a ground in a shop's light."""
    side = int(rng.choice(SIDES))
    y, x = np.mgrid[0:side, 0:side] / side
    tint = np.array(TINT[kind]) + rng.normal(0, 12, 3) + (0.0 if habit is None else habit)
    centre, radius = rng.uniform(0.35, 0.65, 2), rng.uniform(0.15, 0.35)
    inside = np.hypot(x - centre[0], y - centre[1]) < radius
    shade = np.where(inside, rng.uniform(0.5, 0.8) * (0.8 + 0.4 * x), 1.0)
    pixels = tint * shade[..., None] + rng.normal(0, 12, (side, side, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _keep(
    image: Image.Image, rng: np.random.Generator, place: tuple[str, int, int], raw: Path
) -> PhotoRecord:
    """Write one picture, as a shop would: at a quality of its own choice."""
    kind, shop, number = place
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=int(rng.integers(80, 96)))
    data = stream.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    source = f"{kind}-shop-{shop}"
    record = PhotoRecord(
        path=f"images/{sha256[:16]}.jpg",
        label="real" if kind == "real" else "ai_generated",
        generator=GENERATORS[kind],
        source=source,
        group=f"{source}:{number}",
        category="other",
        product_like="yes",
        style="studio" if kind == "real" else "",
        year=None,
        licence="MIT",
        repo="local/procedural",
        commit="0" * 40,
        repo_path=f"{source}/{number}.jpg",
        sha256=sha256,
        original_format="JPEG",
        original_width=image.width,
        original_height=image.height,
        width=image.width,
        height=image.height,
    )
    path = original_path(record, raw)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return record
