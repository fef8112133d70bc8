"""Who judges which photos in the checks of this room: one network on `--select`, or each fold's on its fold.

A fold's network never saw the shops of its fold, so its verdicts are those on strangers. It judges under the
released card: views, calibration and thresholds are the shipped model's.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from PIL import Image
from pydantic import BaseModel, ConfigDict

from src.data.manifest import PhotoRecord
from src.evaluation.card import network_hash, read_card, write_card
from src.evaluation.origin import check_selection
from src.evaluation.score import open_photo
from src.evaluation.selection import Selection, select, spread
from src.imaging.views import limit_side
from src.inference.detector import Detector
from src.utils.errors import DataError, ImageError
from src.utils.model_card import ModelCard

FOLDS = 5
# The name, too: that of a fold network says which fold it is without.
_RULES = ("name", "views", "calibration", "policies", "default_policy")

log = structlog.get_logger(__name__)


class Sample(BaseModel):
    """What a check was run on; part of its report.

    Attributes:
        model_name: Of the card under which all networks judged.
        model_version: Of the same.
        networks: Hash of each network that judged.
        select: Which photos: `test`, `fold:0`, or `unseen` for all folds, each by its own network.
        splits_hash: Identity of the splits.
        real: Real photos.
        fake: AI-generated ones.
        sources: Shops and data sets that they come from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_name: str
    model_version: str
    networks: tuple[str, ...]
    select: str
    splits_hash: str
    real: int
    fake: int
    sources: int

    @property
    def words(self) -> str:
        """One sentence for a page."""
        judges = (
            "each judged by a network that never saw its shop, under the released card"
            if self.select == "unseen" or self.select.startswith("fold:")
            else "judged by the released network"
        )
        return (
            f"Model `{self.model_name}` {self.model_version}. {self.real} real photos and {self.fake} "
            f"AI-generated pictures of {self.sources} sources (`{self.select}`), {judges}."
        )


@dataclass(frozen=True, slots=True)
class Sitting:
    """One network and the photos that it is to judge.

    Attributes:
        detector: Loaded, one thread, under the released rules.
        model: Its file.
        records: Real and AI-generated photos by turns of shops.
    """

    detector: Detector
    model: Path
    records: list[PhotoRecord]


def add_sample_options(args: argparse.ArgumentParser, photos: int) -> None:
    """The options by which every check chooses its networks and photos."""
    args.add_argument("--model", type=Path, default=Path("models/detector.onnx"), help="whose card rules")
    args.add_argument("--folds", type=Path, default=None, help="folder K/model.onnx: judge unseen shops")
    args.add_argument("--select", default="test", help="without --folds: test, heldout or fold:K")
    args.add_argument("--manifest", type=Path, default=Path("data/manifest.csv"))
    args.add_argument("--splits", type=Path, default=Path("data/processed/splits.csv"))
    args.add_argument("--raw", type=Path, default=Path("data/raw"))
    args.add_argument("--photos", type=int, default=photos, help="how many, half of each label if possible")


@contextmanager
def open_sittings(options: argparse.Namespace) -> Iterator[tuple[list[Sitting], str]]:
    """Load the networks that `add_sample_options` named, and choose their photos.

    Yields:
        The sittings, and the identity of the splits.

    Raises:
        DataError: A network may know its photos, or a fold's network is of another release.
    """
    rules = read_card(options.model)
    if options.folds is None:
        wanted = [(options.model, options.select, options.photos)]
    else:
        # 200 photos over five folds are 40 each; the first folds take what does not divide.
        each = [len(range(fold, options.photos, FOLDS)) for fold in range(FOLDS)]
        wanted = [(options.folds / str(k) / "model.onnx", f"fold:{k}", each[k]) for k in range(FOLDS)]
    with TemporaryDirectory() as scratch:
        sittings, splits = [], ""
        for number, (model, name, photos) in enumerate(wanted):
            copy = under_rules(model, rules, Path(scratch) / f"{number}.onnx")
            detector = Detector.from_file(copy, threads=1)
            selection: Selection = select(options.manifest, options.splits, name)
            check_selection(detector.card, name, selection.splits_hash)
            sittings.append(Sitting(detector, copy, even_sample(selection.records, photos)))
            splits = selection.splits_hash
        yield sittings, splits


def under_rules(model: Path, rules: ModelCard, target: Path) -> Path:
    """Copy a model so that views, calibration and policies are those of another card.

    Raises:
        DataError: The network and the card are of two releases.
        ModelError: No such model.
    """
    card = read_card(model)
    if card.version != rules.version:
        raise DataError(f"{card.name} is of version {card.version}, the rules are of {rules.version}")
    shutil.copyfile(model, target)
    write_card(target, card.model_copy(update={name: getattr(rules, name) for name in _RULES}))
    return target


def even_sample(records: Sequence[PhotoRecord], photos: int) -> list[PhotoRecord]:
    """Half real and half AI-generated, each half spread over its shops; the same each time."""
    fakes = [record for record in records if record.label == "ai_generated"]
    real = [record for record in records if record.label == "real"]
    return spread(real, photos - photos // 2) + spread(fakes, photos // 2)


def open_limited(record: PhotoRecord, raw: Path, max_side: int) -> Image.Image | None:
    """A photo as the network's views are cut from it: at most `max_side` px; None when it cannot be used."""
    try:
        image, _ = open_photo(record, raw, max_side)
    except ImageError as error:
        log.warning("photo_not_judged", photo_id=record.photo_id, code=error.code)
        return None
    return limit_side(image, max_side)


def describe(
    options: argparse.Namespace, sittings: Sequence[Sitting], splits: str, judged: Iterable[PhotoRecord]
) -> Sample:
    """What was judged, by whom."""
    records, card = list(judged), sittings[0].detector.card
    fakes = sum(record.label == "ai_generated" for record in records)
    return Sample(
        model_name=card.name,
        model_version=card.version,
        networks=tuple(network_hash(sitting.model) for sitting in sittings),
        select=options.select if options.folds is None else "unseen",
        splits_hash=splits,
        real=len(records) - fakes,
        fake=fakes,
        sources=len({record.source for record in records}),
    )
