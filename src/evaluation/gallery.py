"""A page of the worst mistakes with thumbnails, for looking at: it goes to the ignored output folder only.

The photos belong to their shops; the page must not be committed or published.
"""

from __future__ import annotations

import base64
import html
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from src.data.manifest import PhotoRecord, read_manifest
from src.evaluation.card import read_card
from src.evaluation.command import expand, parser, run_command
from src.evaluation.fit import load_table
from src.evaluation.plan import choice_of, combined
from src.evaluation.score import open_photo
from src.evaluation.scores import ScoreTable
from src.imaging.degrade import resize_long
from src.utils.errors import ConfigError, ImageError
from src.utils.model_card import ModelCard

THUMBNAIL = 192
_STYLE = (
    "body{font:14px sans-serif;margin:2em}section{display:flex;flex-wrap:wrap;gap:12px}"
    "figure{margin:0;width:200px;overflow-wrap:anywhere}figcaption{font-size:12px}"
)


def worst_mistakes(table: ScoreTable, card: ModelCard, *, fake: bool, count: int) -> list[tuple[str, float]]:
    """The `count` photos of one label that the card judges wrongly with the greatest certainty.

    Returns:
        (photo id, probability), worst first.
    """
    logit = combined(table, choice_of(card.views))
    probability = np.asarray(card.calibration.probability(logit))
    wrong = (table.fake == fake) & ((probability >= card.policy()[1].threshold) != fake)
    order = np.argsort(probability if fake else -probability, kind="stable")
    chosen = [index for index in order.tolist() if wrong[index]][:count]
    return [(str(table.photo_id[index]), float(probability[index])) for index in chosen]


def thumbnail(record: PhotoRecord, raw_dir: Path) -> str:
    """A data URI of a small JPEG; "" where the photo cannot be read."""
    try:
        image = resize_long(open_photo(record, raw_dir, THUMBNAIL)[0], THUMBNAIL)
    except ImageError:
        return ""
    stream = BytesIO()
    image.save(stream, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def render_gallery(sections: Sequence[tuple[str, Sequence[tuple[PhotoRecord, float]]]], raw_dir: Path) -> str:
    """The page; everything it shows is inside it."""
    parts = []
    for title, mistakes in sections:
        figures = "".join(_figure(record, probability, raw_dir) for record, probability in mistakes)
        parts.append(f"<h2>{html.escape(title)} ({len(mistakes)})</h2><section>{figures}</section>")
    body = "".join(parts)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Worst mistakes</title>'
        f"<style>{_STYLE}</style><h1>Worst mistakes</h1><p>For looking at only: the photos belong to their "
        f"shops.</p>{body}</html>\n"
    )


def _figure(record: PhotoRecord, probability: float, raw_dir: Path) -> str:
    facts = " · ".join(
        each for each in (record.generator, record.source, record.style, record.category) if each
    )
    return (
        f'<figure><img src="{thumbnail(record, raw_dir)}" alt="{record.photo_id}">'
        f"<figcaption>{probability:.3f} · {html.escape(facts)}<br>{record.photo_id}</figcaption></figure>"
    )


def main(argv: Sequence[str]) -> int:
    """Write the page."""
    args = parser("src.evaluation.gallery", __doc__)
    args.add_argument("--scores", nargs="+", required=True)
    args.add_argument("--model", type=Path, default=Path("models/detector.onnx"))
    args.add_argument("--manifest", type=Path, default=Path("data/manifest.csv"))
    args.add_argument("--raw", type=Path, default=Path("data/raw"))
    args.add_argument("--tier", default="clean")
    args.add_argument("--count", type=int, default=60, help="of each label")
    args.add_argument("--out", type=Path, default=Path("outputs/gallery.html"))
    options = args.parse_args(argv)
    if "outputs" not in options.out.absolute().parts:
        raise ConfigError(
            "the gallery shows photos of others: it is only written below a folder named outputs"
        )
    table, card = load_table(expand(options.scores)).of_tier(options.tier), read_card(options.model)
    by_id = {record.photo_id: record for record in read_manifest(options.manifest)}
    sections = []
    for title, fake in (
        ("Real photos called AI-generated", False),
        ("AI-generated pictures called real", True),
    ):
        mistakes = worst_mistakes(table, card, fake=fake, count=options.count)
        sections.append((title, [(by_id[name], probability) for name, probability in mistakes]))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(render_gallery(sections, options.raw), encoding="utf-8")
    sys.stdout.write(f"{sum(len(mistakes) for _, mistakes in sections)} mistakes\n")
    return 0


if __name__ == "__main__":
    run_command(main)
