"""Real photos with a part from a generator: how many are found, by its size, and does the map point there?

The part either went through a generator's autoencoder, as an edit by such a generator does, or shows an
AI-generated picture; photos without a part pass the same last codec, so that it carries no verdict.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.progress import track

from src.data.manifest import PhotoRecord
from src.evaluation.bootstrap import REPLICATES, Figure, intervals
from src.evaluation.command import parser, run_command
from src.evaluation.metrics import FloatArray
from src.evaluation.partial_autoencoder import Autoencoder
from src.evaluation.partial_edit import Pointing, on_grid, part_box, paste, pointing, soft_mask
from src.evaluation.partial_page import Fill, Partial, PartRow, render
from src.evaluation.robustness_sample import (
    Sitting,
    add_sample_options,
    describe,
    open_limited,
    open_sittings,
)
from src.evaluation.score import WORKERS
from src.imaging.degrade import jpeg
from src.imaging.views import limit_side
from src.utils.errors import DataError

PHOTOS = 160
SHARES = (0.02, 0.05, 0.10, 0.20, 0.50)
SIDE = 768
QUALITY = 90


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was said of one picture.

    Attributes:
        fill: What the part is filled with.
        share: Of the area; 0 for none, 1 for the whole picture.
        found: Whether it is called AI-generated.
        probability: Calibrated.
        pointing: Of the heatmap; None where no part has a place.
    """

    fill: Fill
    share: float
    found: bool
    probability: float
    pointing: Pointing | None


def edits(
    image: Image.Image, fills: dict[Fill, Image.Image], donor: Image.Image
) -> Iterator[tuple[Fill, float, Image.Image, Image.Image | None]]:
    """Every picture made of one real photo: (fill, share, picture, mask).

    Args:
        image: The photo.
        fills: Pictures of the same size that a part may show.
        donor: An AI-generated picture for the fill `paste`.
    """
    yield "none", 0.0, image, None
    for share in SHARES:
        box = part_box(image, share)
        mask = soft_mask(image.size, box)
        for fill, filled in (*fills.items(), ("paste", paste(image, donor, box))):
            yield fill, share, Image.composite(filled, image, mask), mask
    for fill, filled in (*fills.items(), ("paste", donor)):
        yield fill, 1.0, filled, None


def judge(
    sitting: Sitting, image: Image.Image, donor: Image.Image, coder: Autoencoder | None
) -> list[Verdict]:
    """Edit one photo in every way and judge each picture; without an autoencoder, only pasted parts."""
    fills: dict[Fill, Image.Image] = {} if coder is None else {"autoencoder": coder.copy(image)}
    verdicts = []
    for fill, share, picture, mask in edits(image, fills, donor):
        seen = sitting.detector.detect(jpeg(picture, QUALITY))
        heat = np.array(seen.heatmap)
        points = None if mask is None else pointing(heat, on_grid(mask, *heat.shape))
        verdicts.append(Verdict(fill, share, seen.label == "ai_generated", seen.probability, points))
    return verdicts


def measure(
    source: Sequence[str], verdicts: Sequence[Sequence[Verdict]], *, replicates: int = REPLICATES
) -> list[PartRow]:
    """Figures of each fill and share over all photos, which come from `source`."""
    rows = []
    for each in zip(*verdicts, strict=True):
        points = [one.pointing for one in each if one.pointing is not None]
        values = {
            "found": np.array([one.found for one in each], np.float64),
            "probability": np.array([one.probability for one in each]),
        }
        if points:
            values |= {
                "peak": np.array([one.peak for one in points], np.float64),
                "area": np.array([one.area for one in points]),
                "mass": np.array([one.mass for one in points]),
                "ranking": np.array([one.ranking for one in points]),
            }
        rows.append(PartRow(fill=each[0].fill, share=each[0].share, **_means(values, source, replicates)))
    return sorted(rows, key=lambda row: (row.fill != "none", row.fill, row.share))


def _means(values: dict[str, FloatArray], source: Sequence[str], replicates: int) -> dict[str, Figure]:
    def means(weights: FloatArray) -> dict[str, FloatArray]:
        return {name: weights @ value / weights.sum(axis=1) for name, value in values.items()}

    nobody = np.zeros(len(source), dtype=bool)
    return intervals(means, np.array(source), nobody, replicates=replicates)


def main(argv: Sequence[str]) -> int:
    """Measure and write."""
    args = parser("src.evaluation.partial", __doc__)
    add_sample_options(args, PHOTOS)
    args.add_argument(
        "--autoencoder", type=Path, default=None, help="folder of its weights; else pastes alone"
    )
    args.add_argument("--side", type=int, default=SIDE, help="long side of the edited photos, pixels")
    args.add_argument("--out", type=Path, default=Path("reports/detector"))
    options = args.parse_args(argv)
    coder = None if options.autoencoder is None else Autoencoder.from_folder(options.autoencoder)
    with open_sittings(options) as (sittings, splits):
        tasks = [(sitting, record, donor) for sitting in sittings for record, donor in pairs(sitting.records)]

        def work(task: tuple[Sitting, PhotoRecord, PhotoRecord]) -> list[Verdict] | None:
            sitting, *both = task
            opened = [open_limited(each, options.raw, sitting.detector.card.views.max_side) for each in both]
            image, donor = (None if each is None else limit_side(each, options.side) for each in opened)
            return None if image is None or donor is None else judge(sitting, image, donor, coder)

        with ThreadPoolExecutor(WORKERS) as pool:
            found = list(track(pool.map(work, tasks), "judge edited photos", total=len(tasks)))
        done = [(task, each) for task, each in zip(tasks, found, strict=True) if each is not None]
        if not done:
            raise DataError("no photo of the sample could be read")
        used = [record for (_, *both), _ in done for record in both]
        report = Partial(
            sample=describe(options, sittings, splits, used),
            policy=sittings[0].detector.card.default_policy,
            side=options.side,
            quality=QUALITY,
            rows=measure([task[1].source for task, _ in done], [each for _, each in done]),
        )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "partial.json").write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (options.out / "partial.md").write_text(render(report), encoding="utf-8")
    for row in report.rows:
        sys.stdout.write(f"{row.fill} {row.share:.0%}: {row.found.value or 0:.2f} found\n")
    return 0


def pairs(records: Sequence[PhotoRecord]) -> list[tuple[PhotoRecord, PhotoRecord]]:
    """Each real photo with the AI-generated picture whose turn it is.

    Raises:
        DataError: A label is absent.
    """
    real = [record for record in records if record.label == "real"]
    fakes = [record for record in records if record.label == "ai_generated"]
    if not real or not fakes:
        raise DataError("partly generated photos need real photos and AI-generated pictures")
    return [(record, fakes[index % len(fakes)]) for index, record in enumerate(real)]


if __name__ == "__main__":
    run_command(main)
