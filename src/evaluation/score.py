"""Scores photos in every tier on two threads and appends the raw logits to a table; an ended run resumes.

A photo is read and decoded once for all tiers, by the line that serving uses, and its views run as one batch.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Protocol, get_args

import structlog
from PIL import Image
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from src.data.layout import locate, stored_path
from src.data.manifest import PhotoRecord
from src.data.splits import Split
from src.evaluation.card import network_hash
from src.evaluation.command import parser, run_command
from src.evaluation.origin import (
    MAX_MISSING,
    ScoreMeta,
    check_selection,
    count_forms,
    read_meta,
    write_meta,
)
from src.evaluation.scores import (
    Form,
    ScoreRow,
    ViewLogits,
    csv_cells,
    make_row,
    read_scores,
    write_scores,
)
from src.evaluation.selection import Selection, select, spread
from src.imaging.decode import decode
from src.imaging.degrade import Tier, apply_tier
from src.imaging.views import Views, combine_logits, make_views
from src.inference.detector import Detector, ViewScores
from src.utils.errors import ConfigError, DataError, ImageError
from src.utils.model_card import ModelCard, ViewPlan

WORKERS = 2
_IN_FLIGHT = 4  # decoded photos held at once

log = structlog.get_logger(__name__)


class Scorer(Protocol):
    """The part of `Detector` that scoring needs."""

    @property
    def card(self) -> ModelCard:
        """The contract of the loaded model."""
        ...

    def score_views(self, views: Sequence[Views]) -> list[ViewScores]:
        """Raw scores for each photo's views."""
        ...


def score_image(scorer: Scorer, image: Image.Image, plan: ViewPlan | None = None) -> ViewLogits:
    """The logits of an upright RGB picture, under the card's plan or another."""
    card = scorer.card
    plan = plan or card.views
    scores = scorer.score_views([make_views(image, plan, card.mean, card.std)])[0]
    crops = [float(logit) for logit in scores.crop_logits]
    return ViewLogits(combine_logits(plan, scores.global_logit, crops), scores.global_logit, tuple(crops))


def score_photo(
    scorer: Scorer,
    record: PhotoRecord,
    split: Split,
    raw_dir: Path,
    *,
    tiers: Sequence[Tier],
    plan: ViewPlan | None = None,
) -> list[ScoreRow]:
    """Score one photo in the given tiers.

    Raises:
        ImageError: The photo cannot be used (`unreadable_file` when it is not there).
    """
    image, form = open_photo(record, raw_dir, (plan or scorer.card.views).max_side)
    return [
        make_row(record, split, tier, form, score_image(scorer, apply_tier(image, tier), plan))
        for tier in tiers
    ]


def open_photo(record: PhotoRecord, raw_dir: Path, draft_side: int) -> tuple[Image.Image, Form]:
    """Decode a photo as serving does, and say which of its forms that was.

    Raises:
        ImageError: The photo cannot be used (`unreadable_file` when it is not there).
    """
    path = locate(record, raw_dir)
    if path is None:
        raise ImageError("unreadable_file", f"photo {record.photo_id} is not under the raw folder")
    form: Form = "stored" if path == stored_path(record, raw_dir) else "original"
    return decode(path.read_bytes(), draft_side=draft_side), form


def score_photos(
    scorer: Scorer,
    records: Sequence[PhotoRecord],
    splits: dict[str, Split],
    raw_dir: Path,
    tiers: Sequence[Tier],
    *,
    plan: ViewPlan | None = None,
    done: frozenset[tuple[str, str]] = frozenset(),
    workers: int = WORKERS,
) -> Iterator[list[ScoreRow]]:
    """Yield the rows of each photo as it is finished, in any order; a photo that cannot be used yields none.

    Args:
        scorer: A loaded detector; shared by the workers.
        records: Photos to score.
        splits: Photo id -> split.
        raw_dir: Where the photos lie.
        tiers: Which tiers to score.
        plan: Another view plan than the card's.
        done: (photo id, tier) pairs to leave out.
        workers: Threads. Decoding and inference both release Python's lock.
    """

    def work(record: PhotoRecord) -> list[ScoreRow]:
        missing = [tier for tier in tiers if (record.photo_id, tier) not in done]
        try:
            return score_photo(scorer, record, splits[record.photo_id], raw_dir, tiers=missing, plan=plan)
        except ImageError as error:
            log.warning("photo_not_scored", photo_id=record.photo_id, code=error.code)
            return []

    todo = [record for record in records if any((record.photo_id, tier) not in done for tier in tiers)]
    with ThreadPoolExecutor(workers) as pool:
        waiting: set[Future[list[ScoreRow]]] = set()
        for record in todo:
            waiting.add(pool.submit(work, record))
            if len(waiting) >= _IN_FLIGHT:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        for future in waiting:
            yield future.result()


def score_to(
    path: Path, scorer: Scorer, selection: Selection, raw_dir: Path, *, tiers: Sequence[Tier], meta: ScoreMeta
) -> ScoreMeta:
    """Score a selection into the table `path`, going on where an earlier run of the same network ended.

    Returns:
        The table's meta, with what was scored from what.

    Raises:
        DataError: The table there is of another network, selection, manifest or splits.
    """
    done, meta = resume(path, meta)
    plan = scorer.card.views.model_copy(update={"crops": meta.crops})
    todo = [each for each in selection.records if any((each.photo_id, tier) not in done for tier in tiers)]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with path.open("a", newline="", encoding="utf-8") as file, Progress(*columns) as progress:
        task = progress.add_task(f"score {meta.select}", total=len(todo))
        writer = csv.writer(file, lineterminator="\n")
        for rows in score_photos(scorer, todo, selection.splits, raw_dir, tiers, plan=plan, done=done):
            writer.writerows(csv_cells(row) for row in rows)
            file.flush()
            progress.advance(task)
    forms = count_forms(read_scores(path), len(selection.records))
    meta = meta.model_copy(update={"forms": forms})
    write_meta(path, meta)
    return meta


def resume(path: Path, meta: ScoreMeta) -> tuple[frozenset[tuple[str, str]], ScoreMeta]:
    """Make a new table, or check the one that is there and say which (photo id, tier) pairs it has.

    A last line that a kill cut short is removed. A table with more crops than the card counts by now goes on
    with them: fitting may have found that fewer do.

    Returns:
        The pairs, and the table's meta.

    Raises:
        DataError: The table there is of another network, selection, manifest or splits, or has fewer crops.
    """
    if not path.is_file():
        write_scores(path, [])
        write_meta(path, meta)
        return frozenset(), meta
    found = read_meta(path)
    if found.model_copy(update={"forms": None, "crops": meta.crops}) != meta or found.crops < meta.crops:
        raise DataError(
            f"{path.name} holds scores of another model, selection or splits: remove it or name another --out"
        )
    text = path.read_bytes()
    if not text.endswith(b"\n"):
        path.write_bytes(text[: text.rfind(b"\n") + 1])
    return frozenset((row.photo_id, row.tier) for row in read_scores(path)), found


def parse_tiers(text: str) -> list[Tier]:
    """`clean,web,hard` -> tiers.

    Raises:
        ConfigError: A name is no tier.
    """
    known = {str(tier): tier for tier in get_args(Tier)}
    names = [name.strip() for name in text.split(",")]
    if any(name not in known for name in names):
        raise ConfigError(f"tiers are {', '.join(known)}")
    return [known[name] for name in names]


def main(argv: Sequence[str]) -> int:
    """Score a selection of photos; exit code 1 when more than a few could not be scored."""
    args = parser("src.evaluation.score", __doc__)
    args.add_argument("--model", type=Path, default=Path("models/detector.onnx"))
    args.add_argument("--manifest", type=Path, default=Path("data/manifest.csv"))
    args.add_argument("--splits", type=Path, default=Path("data/processed/splits.csv"))
    args.add_argument("--raw", type=Path, default=Path("data/raw"))
    args.add_argument("--select", default="test", help="test, val, train, heldout, all or fold:K")
    args.add_argument("--tiers", default="clean,web,hard")
    args.add_argument("--if-any", action="store_true", help="no error when the selection holds no photo")
    args.add_argument(
        "--crops", type=int, default=0, help="score so many even if the card counts fewer, for fit to weigh"
    )
    args.add_argument("--max-missing", type=float, default=MAX_MISSING, help="share of photos not scored")
    args.add_argument("--limit", type=int, default=None, help="at most so many photos, spread over shops")
    args.add_argument("--out", type=Path, required=True)
    options = args.parse_args(argv)
    detector = Detector.from_file(options.model, threads=1)
    selection = select(options.manifest, options.splits, options.select, may_be_empty=options.if_any)
    check_selection(detector.card, options.select, selection.splits_hash)
    if not selection.records:
        log.info("nothing_selected", select=options.select)
        return 0
    selection = replace(selection, records=spread(selection.records, options.limit))
    facts = detector.card.training
    meta = ScoreMeta(
        network=network_hash(options.model),
        model_version=detector.card.version,
        select=options.select,
        manifest_hash=selection.manifest_hash,
        splits_hash=selection.splits_hash,
        held_out_fold=facts.held_out_fold if facts else None,
        steps=facts.steps if facts else None,
        crops=max(options.crops, detector.card.views.crops),
        limit=options.limit,
    )
    tiers = parse_tiers(options.tiers)
    forms = score_to(options.out, detector, selection, options.raw, tiers=tiers, meta=meta).forms
    if forms is None or forms.missing_share > options.max_missing:
        log.error("too_many_missing", table=options.out.name, forms=forms and forms.model_dump())
        return 1
    log.info("scored", table=options.out.name, **forms.model_dump())
    return 0


if __name__ == "__main__":
    run_command(main)
