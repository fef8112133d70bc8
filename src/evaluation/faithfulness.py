"""Does the heatmap point to what the verdict rests on? Deletion, insertion, and half-fake pictures.

Deletion and insertion as Petsiuk et al. (2018) made them: where the map says that the evidence lies, covering
it must cost the verdict more, and showing it alone must restore more, than covering or showing other parts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import structlog
from PIL import Image
from rich.progress import track

from src.data.layout import locate
from src.data.manifest import PhotoRecord
from src.evaluation.bootstrap import Figure, intervals
from src.evaluation.card import network_hash
from src.evaluation.command import parser, run_command
from src.evaluation.faithfulness_maps import Judge, area, curves, share_on_fake, splice
from src.evaluation.faithfulness_page import ORDERS, TESTS, Curve, FaithfulnessReport, Order, Test, page
from src.evaluation.metrics import FloatArray
from src.evaluation.origin import check_selection
from src.evaluation.selection import select, spread
from src.imaging.decode import decode
from src.imaging.views import limit_side
from src.inference.detector import Detector
from src.utils.errors import DataError, ImageError
from src.utils.model_card import ModelCard

_WORKERS = 2
_CHUNK = 4
Item = TypeVar("Item")
Found = TypeVar("Found")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A photo of the data, at the scale at which the model looks at it."""

    record: PhotoRecord
    image: Image.Image

    @property
    def fake(self) -> bool:
        """Whether it is AI-generated."""
        return self.record.label == "ai_generated"


def open_photos(records: Sequence[PhotoRecord], raw: Path, card: ModelCard) -> Iterator[Opened]:
    """Open photos; one that cannot be used is left out and told."""
    for record in records:
        path = locate(record, raw)
        if path is None:
            log.warning("photo_missing", photo_id=record.photo_id)
            continue
        try:
            image = decode(path.read_bytes(), draft_side=card.views.max_side)
        except ImageError as error:
            log.warning("photo_left_out", photo_id=record.photo_id, code=error.code)
            continue
        yield Opened(record, limit_side(image, card.views.max_side))


def measure(judge: Judge, records: Sequence[PhotoRecord], raw: Path, seed: int = 17) -> list[Curve]:
    """Deletion and insertion over photos of both labels; those with the wrong verdict are left out.

    Raises:
        DataError: No photo could be used.
    """

    def work(opened: Opened) -> tuple[Opened, dict[tuple[Test, Order], list[float]]] | None:
        if (judge.detect(opened.image).label == "ai_generated") != opened.fake:
            return None
        return opened, curves(judge, opened.image, seed + int(opened.record.photo_id[:6], 16))

    found = [each for each in _map(work, open_photos(records, raw, judge.card), "cover") if each is not None]
    if not found:
        raise DataError("no photo could be used")
    source = np.array([opened.record.source for opened, _ in found])
    fake = np.array([opened.fake for opened, _ in found])
    result = []
    for test in TESTS:
        areas = {order: np.array([area(each[test, order]) for _, each in found]) for order in ORDERS}
        for order in ORDERS:
            # Less is better where evidence is covered, more where it is shown; positive: the map is better.
            sign = 1.0 if test == "deletion" else -1.0
            ahead = sign * (areas[order] - areas["map"])
            figures = intervals(_means({"area": areas[order], "ahead": ahead}), source, fake)
            mean = np.mean([each[test, order] for _, each in found], axis=0).round(4).tolist()
            result.append(
                Curve(
                    test=test,
                    order=order,
                    photos=len(found),
                    values=mean,
                    area=figures["area"],
                    map_ahead=None if order == "map" else figures["ahead"],
                )
            )
    return result


def measure_halves(
    judge: Judge, records: Sequence[PhotoRecord], raw: Path, seed: int = 17
) -> tuple[int, Figure, Figure]:
    """Splice real and fake photos, one each, and see where the map falls.

    Returns:
        Number of pictures, share with more than half of the mass on the fake half, mean share of mass there.

    Raises:
        DataError: There is no pair.
    """
    rng = np.random.default_rng(seed)
    reals, fakes = ([r for r in records if r.label == label] for label in ("real", "ai_generated"))
    pairs = [(real, fake, *(rng.random(2) < 0.5)) for real, fake in zip(reals, fakes, strict=False)]

    def work(pair: tuple[PhotoRecord, PhotoRecord, np.bool_, np.bool_]) -> tuple[str, float] | None:
        opened = list(open_photos(pair[:2], raw, judge.card))
        if len(opened) < 2:
            return None
        real, fake = opened
        where = {"upright": bool(pair[2]), "fake_first": bool(pair[3])}
        heat = judge.detect(splice(real.image, fake.image, **where)).heatmap
        return fake.record.source, share_on_fake(np.array(heat), **where)

    found = [each for each in _map(work, iter(pairs), "halves") if each is not None]
    if not found:
        raise DataError("halves need photos of both labels")
    source, shares = np.array([name for name, _ in found]), np.array([share for _, share in found])
    values = {"points": (shares > 0.5).astype(np.float64), "mass": shares}
    figures = intervals(_means(values), source, np.ones(len(found), dtype=bool))
    return len(found), figures["points"], figures["mass"]


def _means(values: dict[str, FloatArray]) -> Callable[[FloatArray], dict[str, FloatArray]]:
    def metrics(weights: FloatArray) -> dict[str, FloatArray]:
        return {name: weights @ each / weights.sum(axis=1) for name, each in values.items()}

    return metrics


def _map(work: Callable[[Item], Found], items: Iterator[Item], words: str) -> list[Found]:
    """Work on a few at a time: a photo is opened when its turn comes, so memory stays bounded."""
    found: list[Found] = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        for chunk in track(iter(lambda: list(islice(items, _CHUNK)), []), description=words, transient=True):
            found += pool.map(work, chunk)
    return found


def main(argv: Sequence[str]) -> int:
    """Measure and write the report."""
    args = parser("src.evaluation.faithfulness", __doc__)
    args.add_argument("--model", type=Path, default=Path("models/detector.onnx"))
    args.add_argument("--manifest", type=Path, default=Path("data/manifest.csv"))
    args.add_argument("--splits", type=Path, default=Path("data/processed/splits.csv"))
    args.add_argument("--raw", type=Path, default=Path("data/raw"))
    args.add_argument("--select", default="test", help="what the model never saw: val, test or fold:K")
    args.add_argument("--photos", type=int, default=80, help="photos that are covered, half of them real")
    args.add_argument("--halves", type=int, default=150, help="pictures of which half is fake")
    args.add_argument("--report", type=Path, default=Path("reports/detector"))
    options = args.parse_args(argv)
    detector = Detector.from_file(options.model, threads=1)
    selection = select(options.manifest, options.splits, options.select)
    check_selection(detector.card, options.select, selection.splits_hash)
    found = measure(detector, _both(selection.records, options.photos), options.raw)
    halves, points, mass = measure_halves(detector, _both(selection.records, 2 * options.halves), options.raw)
    report = FaithfulnessReport(
        model_version=detector.card.version,
        network=network_hash(options.model),
        select=options.select,
        curves=found,
        halves=halves,
        more_on_fake_half=points,
        mass_on_fake_half=mass,
    )
    options.report.mkdir(parents=True, exist_ok=True)
    text = report.model_dump_json(indent=2) + "\n"
    (options.report / "faithfulness.json").write_text(text, encoding="utf-8")
    (options.report / "faithfulness.md").write_text(page(report), encoding="utf-8")
    sys.stdout.write(page(report))
    return 0


def _both(records: Sequence[PhotoRecord], limit: int) -> list[PhotoRecord]:
    """Half real, half AI-generated, each spread over shops."""
    found: list[PhotoRecord] = []
    for label in ("real", "ai_generated"):
        found += spread([record for record in records if record.label == label], limit // 2)
    return found


if __name__ == "__main__":
    run_command(main)
