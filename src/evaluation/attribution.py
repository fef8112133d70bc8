"""Fits the attributor of generator families that lies beside a model, and reports how far it can be trusted.

Each figure is of shops that the attributor was not fitted on; all its rules were chosen on the other shops.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from src.evaluation.attribution_fit import (
    FLOOR,
    OUTSIDE,
    Ints,
    Pictures,
    choose_rules,
    cross_distances,
    deal,
    fit_attributor,
    fit_space,
)
from src.evaluation.attribution_page import AttributionReport, page
from src.evaluation.bootstrap import Figure, intervals
from src.evaluation.card import network_hash, read_card
from src.evaluation.command import parser, run_command
from src.evaluation.embeddings import EmbeddingTable, network_of
from src.evaluation.metrics import FloatArray
from src.inference.attribution import Attributor, attribution_path, identity_of
from src.utils.errors import DataError

UNKNOWN = "unknown"


def pictures_of(table: EmbeddingTable, *, fake: bool) -> Pictures:
    """The clean pictures of one label."""
    chosen = table.where((table.fake == fake) & (table.tier == "clean"))
    return Pictures(chosen.embedding.astype(np.float32), chosen.family, chosen.source)


def judge(pictures: Pictures, families: Sequence[str], floor: float) -> tuple[Ints, Ints]:
    """Attribute each picture by what other shops teach: its nearest family, and the name it gets.

    Returns:
        Both int64 [N]; `OUTSIDE` among the names is unknown.
    """
    fold = deal(pictures)
    nearest, named = np.zeros(len(fold), np.int64), np.full(len(fold), OUTSIDE, np.int64)
    for held in np.unique(fold).tolist():
        others, own = pictures.where(fold != held), fold == held
        rules = choose_rules(cross_distances(others, families), others, families, floor)
        squared = fit_space(others, families).distances(pictures.embedding[own])
        nearest[own], named[own] = squared.argmin(axis=1), rules.names(squared, families)
    return nearest, named


def left_out(pictures: Pictures, families: Sequence[str], floor: float) -> dict[str, float]:
    """Share called unknown of each family by an attributor that knows all but this one."""
    found = {}
    for family in families if len(families) > 2 else ():
        own = pictures.family == family
        others, rest = pictures.where(~own), [name for name in families if name != family]
        rules = choose_rules(cross_distances(others, rest), others, rest, floor)
        squared = fit_space(others, rest).distances(pictures.embedding[own])
        found[family] = float((rules.names(squared, rest) == OUTSIDE).mean())
    return found


def figures(pictures: Pictures, families: Sequence[str], nearest: Ints, named: Ints) -> dict[str, Figure]:
    """Accuracies, share of names, and precision, with intervals over shops."""
    truth = pictures.truth(families)
    known, given = truth != OUTSIDE, named != OUTSIDE

    def share(weights: FloatArray, part: FloatArray, whole: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            found: FloatArray = (weights * part * whole).sum(axis=1) / (weights * whole).sum(axis=1)
        return found

    def metrics(weights: FloatArray) -> dict[str, FloatArray]:
        right = (nearest == truth).astype(np.float64)
        each = [share(weights, right, (truth == i).astype(np.float64)) for i in range(len(families))]
        return {
            "nearest": share(weights, right, known.astype(np.float64)),
            # A draw may leave a family out; the others then stand for it.
            "even": np.ma.masked_invalid(np.stack(each)).mean(axis=0).filled(np.nan),
            "named": share(weights, given.astype(np.float64), known.astype(np.float64)),
            "precision": share(weights, (named == truth).astype(np.float64), given.astype(np.float64)),
        }

    everyone = np.ones(len(truth), dtype=bool)
    return intervals(metrics, pictures.source, everyone)


def confusion(pictures: Pictures, families: Sequence[str], named: Ints) -> dict[str, dict[str, int]]:
    """True family, known or not, -> what it was called, `unknown` for `OUTSIDE` -> pictures."""
    called = np.array([*families, UNKNOWN])[np.where(named == OUTSIDE, len(families), named)]
    return {
        family: {
            name: int((called[pictures.family == family] == name).sum()) for name in [*families, UNKNOWN]
        }
        for family in np.unique(pictures.family).tolist()
    }


def make_report(
    attributor: Attributor, table: EmbeddingTable, *, version: str, network: str, floor: float
) -> AttributionReport:
    """Measure what attribution by such an attributor is worth."""
    fakes, reals = pictures_of(table, fake=True), pictures_of(table, fake=False)
    families = attributor.facts.families
    nearest, named = judge(fakes, families, floor)
    found = figures(fakes, families, nearest, named)
    truth = fakes.truth(families)
    counts = np.bincount(truth[truth != OUTSIDE])
    real = [not attributor.of(each).unknown for each in reals.embedding]
    return AttributionReport(
        model_version=version,
        network=network,
        sha256=hashlib.sha256(attributor.to_bytes()).hexdigest(),
        photos=len(fakes),
        shops=len(np.unique(fakes.source)),
        floor=floor,
        families=list(families),
        named_families=list(attributor.facts.named),
        confusion=confusion(fakes, families, named),
        nearest_confusion=confusion(fakes, families, nearest),
        nearest_accuracy=found["nearest"],
        even_accuracy=found["even"],
        chance=1.0 / len(families),
        majority=float(counts.max() / counts.sum()),
        named=found["named"],
        precision=found["precision"],
        unknown_when_left_out=left_out(fakes, families, floor),
        real_named=float(np.mean(real)) if real else None,
    )


def main(argv: Sequence[str]) -> int:
    """Fit, write the attributor beside the model, and report."""
    args = parser("src.evaluation.attribution", __doc__)
    args.add_argument("--model", type=Path, default=Path("models/detector.onnx"))
    args.add_argument("--table", type=Path, default=Path("outputs/scores/embeddings.npz"))
    args.add_argument("--report", type=Path, default=Path("reports/detector"))
    args.add_argument("--floor", type=float, default=FLOOR, help="least share of right names, of each family")
    options = args.parse_args(argv)
    table, network = EmbeddingTable.load(options.table), network_hash(options.model)
    if network_of(options.table) != network:
        raise DataError(f"{options.table.name} is of another network than {options.model.name}: make it anew")
    card = read_card(options.model)
    attributor = fit_attributor(pictures_of(table, fake=True), identity_of(card), options.floor)
    report = make_report(attributor, table, version=card.version, network=network, floor=options.floor)
    attribution_path(options.model).write_bytes(attributor.to_bytes())
    options.report.mkdir(parents=True, exist_ok=True)
    (options.report / "attribution.json").write_text(
        report.model_dump_json(indent=2) + "\n", encoding="utf-8"
    )
    (options.report / "attribution.md").write_text(page(report), encoding="utf-8")
    names = ", ".join(report.named_families) or "no family"
    sys.stdout.write(f"{attribution_path(options.model).name}: names {names}; sha256 {report.sha256}\n")
    return 0


if __name__ == "__main__":
    run_command(main)
