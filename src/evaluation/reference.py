"""Makes the drift reference of a model: scores photos that it never saw, and names the file in its card.

Thresholds and calibration must be fitted before: the reference counts verdicts and reviews by them.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import structlog

from src.data.manifest import PhotoRecord
from src.data.splits import Split
from src.evaluation.card import network_hash, read_card, write_card
from src.evaluation.command import parser, run_command
from src.evaluation.embeddings import EmbeddingTable, embed_photos, network_of
from src.evaluation.origin import check_selection
from src.evaluation.score import parse_tiers
from src.evaluation.selection import select, spread
from src.inference.detector import Detector
from src.monitoring.drift.bank import Simulation
from src.monitoring.drift.reference import Photos, Reference, reference_path, write_reference
from src.utils.errors import ConfigError
from src.utils.model_card import ModelCard

MOST_PHOTOS = 2500
"""More would not fit into a megabyte."""

log = structlog.get_logger(__name__)


def default_cut(card: ModelCard) -> float:
    """The logit from which on the card's default policy says `ai_generated`."""
    _, policy = card.policy()
    # A threshold of 0 or 1 has no logit; far outside whatever a network gives serves as well.
    share = min(1 - 1e-9, max(1e-9, policy.threshold))
    return (math.log(share / (1 - share)) - card.calibration.bias) * card.calibration.temperature


def as_photos(table: EmbeddingTable, card: ModelCard) -> Photos:
    """A table of embeddings as the reference takes photos."""
    _, policy = card.policy()
    probability = card.calibration.probability(table.logit)
    return Photos(
        embedding=table.embedding.astype(np.float32),
        logit=table.logit,
        review=(probability >= policy.review_low) & (probability < policy.review_high),
        fake=table.fake,
        source=table.source,
        group=table.group,
        format=table.format,
        width=table.width,
        height=table.height,
        quality=table.quality,
        bytes_per_pixel=table.bytes_per_pixel,
    )


def make_reference(
    table: EmbeddingTable, card: ModelCard, origin: str, plan: Simulation | None = None
) -> Reference:
    """The reference of photos in their clean form.

    Raises:
        ModelError: There are too few photos.
    """
    clean = table.where(table.tier == "clean")
    if len(clean) > MOST_PHOTOS:
        clean = clean.where(np.random.default_rng(0).permutation(len(clean))[:MOST_PHOTOS])
    return Reference.fit(
        as_photos(clean, card), cut=default_cut(card), model_version=card.version, origin=origin, plan=plan
    )


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """Where photos come from, and where their table goes."""

    table: Path
    manifest: Path
    splits: Path
    raw: Path
    tiers: str
    limit: int | None


def embed(model: Path, selections: Sequence[str], options: EmbedOptions) -> EmbeddingTable:
    """Score photos that the model's card says it never saw; a table of the same network is taken as it is.

    Raises:
        ConfigError: `train` is among the selections.
        DataError: A file is invalid, or a selection was seen in training.
    """
    network = network_hash(model)
    if options.table.is_file() and network_of(options.table) == network:
        return EmbeddingTable.load(options.table)
    detector = Detector.from_file(model, threads=1)
    records: list[PhotoRecord] = []
    splits: dict[str, Split] = {}
    for wanted in selections:
        if wanted in {"train", "all"}:
            raise ConfigError("a network knows its training photos too well: select photos it never saw")
        selection = select(options.manifest, options.splits, wanted, may_be_empty=wanted == "heldout")
        check_selection(detector.card, wanted, selection.splits_hash)
        records += selection.records
        splits |= selection.splits
    records = spread(records, options.limit)
    table = embed_photos(detector, records, splits, options.raw, tiers=parse_tiers(options.tiers))
    table.save(options.table, network)
    return table


def main(argv: Sequence[str]) -> int:
    """Make the table, the reference, and the card that names it."""
    args = parser("src.evaluation.reference", __doc__)
    args.add_argument("--model", type=Path, default=Path("outputs/continued/model.onnx"))
    args.add_argument("--manifest", type=Path, default=Path("data/manifest.csv"))
    args.add_argument("--splits", type=Path, default=Path("data/processed/splits.csv"))
    args.add_argument("--raw", type=Path, default=Path("data/raw"))
    args.add_argument("--select", default="val,test", help="what the model never saw: val,test or fold:K")
    args.add_argument(
        "--tiers", default="clean,web", help="the reference takes clean; the benchmark also web"
    )
    args.add_argument("--limit", type=int, default=None, help="at most so many photos, spread over shops")
    args.add_argument("--table", type=Path, default=Path("outputs/scores/embeddings.npz"))
    args.add_argument("--embed-only", action="store_true", help="write the table and no reference")
    options = args.parse_args(argv)
    places = {item.name: getattr(options, item.name) for item in fields(EmbedOptions)}
    table = embed(options.model, options.select.split(","), EmbedOptions(**places))
    if options.embed_only:
        return 0
    card = read_card(options.model)
    reference = make_reference(table, card, f"photos of {options.select}, clean")
    path = reference_path(options.model)
    digest = write_reference(path, reference)
    write_card(options.model, card.model_copy(update={"drift_reference": digest}))
    sys.stdout.write(f"{path.name}: {len(reference)} photos, {path.stat().st_size} bytes, sha256 {digest}\n")
    return 0


if __name__ == "__main__":
    run_command(main)
