"""Drawn photos of three kinds, and a registry whose champion knows only one of the two kinds of fakes.

Real photos are bluish, known fakes reddish; the new family is greenish, which the champion takes for real.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from src.data.layout import original_path
from src.data.manifest import PhotoRecord, write_manifest
from src.data.splits import Split, splits_hash, write_splits
from src.incident.exam import check_shortcuts, examine
from src.incident.seen import Seen, look
from src.inference.detector import Detector
from src.registry.registry import Registry
from src.store.engine import make_engine
from src.store.migrate import upgrade
from src.store.records import Feedback, PredictionRecord
from src.store.statements import insert_feedback, insert_prediction
from src.utils.model_card import TrainingFacts
from tests.support.pictures import encode
from tests.support.registry import Passing, shared_registry, valid_data
from tests.support.tiny_model import tiny_card, write_tiny_model

TINT = {"real": (150, 120, 165), "known": (190, 115, 120), "new": (120, 190, 150)}
NOW = datetime.now(UTC)


def draw(kind: str, seed: int, size: tuple[int, int] = (80, 64)) -> bytes:
    """One picture of a kind; its tint wanders, so that kinds overlap a little."""
    rng = np.random.default_rng((seed, sorted(TINT).index(kind)))
    tint = np.array(TINT[kind]) + rng.normal(0, 10, 3)
    pixels = tint + rng.normal(0, 25, (size[1], size[0], 1))
    return encode(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), quality=90)


def record_of(data: bytes, kind: str, shop: int, number: int) -> PhotoRecord:
    """The picture's row of a manifest."""
    sha256 = hashlib.sha256(data).hexdigest()
    source = f"{kind}-shop-{shop}"
    return PhotoRecord(
        path=f"images/{sha256[:16]}.jpg",
        label="real" if kind == "real" else "ai_generated",
        generator={"real": "camera", "known": "sdxl", "new": "gpt_image_1"}[kind],
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
        original_width=80,
        original_height=64,
        width=80,
        height=64,
    )


@dataclass(frozen=True)
class Data:
    """Known photos on disk, divided."""

    folder: Path
    records: list[PhotoRecord]
    splits: dict[str, Split]

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.csv"

    @property
    def splits_file(self) -> Path:
        return self.folder / "splits.csv"

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    @property
    def hash(self) -> str:
        return splits_hash(self.splits.values())

    def part(self, split: str) -> list[PhotoRecord]:
        return [each for each in self.records if self.splits[each.photo_id].split == split]


def make_data(folder: Path, *, train: int = 8, val: int = 120, test: int = 60, heldout: int = 60) -> Data:
    """So many photos of each label in each split; each split has shops of its own."""
    records: list[PhotoRecord] = []
    splits: dict[str, Split] = {}
    seed = 0
    for place, (name, count) in enumerate(
        {"train": train, "val": val, "test": test, "heldout": heldout}.items()
    ):
        for kind in ("real", "known"):
            for number in range(count):
                seed += 1
                data = draw(kind, seed)
                record = record_of(data, kind, 10 * place + number % 4, number)
                path = original_path(record, folder / "raw")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                records.append(record)
                splits[record.photo_id] = Split(photo_id=record.photo_id, split=name, fold=place % 2)  # type: ignore[arg-type]
    write_manifest(folder / "manifest.csv", records)
    write_splits(folder / "splits.csv", splits.values())
    return Data(folder, records, splits)


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Data:
    return make_data(tmp_path_factory.mktemp("known"))


@pytest.fixture(scope="session")
def champion(tmp_path_factory, data) -> Path:
    facts = TrainingFacts(photos=16, steps=10, splits_hash=data.hash)
    path = tmp_path_factory.mktemp("champion") / "champion.onnx"
    return write_tiny_model(path, tiny_card(version="1.0.0", training=facts))


@pytest.fixture(scope="session")
def detector(champion) -> Detector:
    return Detector.from_file(champion, threads=1)


@pytest.fixture(scope="session")
def seen(champion, data) -> dict[str, Seen]:
    tiers = ("clean", "web", "hard")
    return {
        "test": look(champion, data.part("test"), data.raw, tiers),
        "unseen": look(champion, data.part("heldout"), data.raw, tiers),
    }


@pytest.fixture(scope="session")
def champion_report(champion, data, seen, tmp_path_factory) -> Path:
    shortcut = [check_shortcuts(champion, data.part("test"), data.raw, "test")]
    path = tmp_path_factory.mktemp("report") / "report.json"
    path.write_text(examine(champion, seen, data.hash, shortcut, replicates=20).model_dump_json())
    return path


@pytest.fixture
def shelf(champion, champion_report) -> Registry:
    """A registry whose champion is the one that does not know the new family."""
    found = Registry(shared_registry(), f"incident-{uuid4().hex[:8]}")
    found.promote(found.register(champion, champion_report), [Passing()])
    return found


@pytest.fixture
def validation(tmp_path) -> Path:
    path = tmp_path / "validation.json"
    path.write_text(valid_data().model_dump_json())
    return path


class Book:
    """A store with predictions of the champion and what people said of them."""

    def __init__(self, folder: Path, detector: Detector) -> None:
        self.url = f"sqlite:///{folder}/store.db"
        self._engine = make_engine(self.url)
        self._detector = detector
        self.photos: dict[str, bytes] = {}
        upgrade(self._engine)

    def judge(
        self,
        photo: bytes,
        fake: bool,
        who: str = "ana bea",
        *,
        key: str | None = None,
        hours: float = 48.0,
        version: str | None = None,
    ) -> PredictionRecord:
        """Keep the champion's verdict on a photo, and what these people say of it."""
        found = self._detector.detect(photo)
        record = PredictionRecord(
            created_at=NOW - timedelta(hours=hours + 1),
            sha256=hashlib.sha256(photo).hexdigest(),
            label=found.label,
            probability=found.probability,
            logit=found.logit,
            threshold=found.threshold,
            policy=found.policy,
            needs_review=found.needs_review,
            model_version=version or found.model_version,
            embedding=found.embedding.astype("<f2").tobytes(),
        )
        self.photos[record.id] = photo
        with self._engine.begin() as connection:
            insert_prediction(connection, record)
        self.say(record, fake, who, key=key, hours=hours)
        return record

    def say(
        self, record: PredictionRecord, fake: bool, who: str, *, key: str | None = None, hours: float = 48.0
    ) -> None:
        """Add people's words on a prediction."""
        with self._engine.begin() as connection:
            for name in who.split():
                item = Feedback(
                    prediction_id=record.id,
                    true_label="ai_generated" if fake else "real",
                    reviewer=name,
                    api_key_id=key or f"key-{name}",
                    created_at=NOW - timedelta(hours=hours),
                )
                insert_feedback(connection, item, None, NOW - timedelta(days=1))

    def get(self, prediction_id: str) -> bytes | None:
        """A kept photo."""
        return self.photos.get(prediction_id)

    def close(self) -> None:
        self._engine.dispose()


@pytest.fixture
def book(tmp_path, detector):
    found = Book(tmp_path, detector)
    yield found
    found.close()
