"""Makes the report folder of a release from score tables: JSON, Markdown, plots and its own inputs.

`test` (new photos of known shops) is judged with the card as it is; `unseen` (shops the network never saw)
with views, calibration and thresholds cross-fitted over folds. Without score tables, the folder's own inputs
are read again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from src.data.manifest import read_manifest
from src.evaluation.ablation import view_ablation, view_grid
from src.evaluation.archive import Inputs, read_archive, write_archive
from src.evaluation.bars import hold_bars
from src.evaluation.bootstrap import REPLICATES, even_shops, verdict_intervals
from src.evaluation.capture import Capture, read_captures
from src.evaluation.card import network_hash, read_card
from src.evaluation.command import expand, parser, run_command
from src.evaluation.crossfit import Applied, Fitted, apply, cross_fit, fit
from src.evaluation.figures import Block, Dataset, Report, SliceSet, Weighting
from src.evaluation.fit import sort_rows
from src.evaluation.gather import check_inputs, gather
from src.evaluation.lengths import Lengths
from src.evaluation.markdown import render_report
from src.evaluation.origin import Forms, ScoreMeta
from src.evaluation.plan import choice_of
from src.evaluation.plots import draw_plots
from src.evaluation.scores import ScoreRow, ScoreTable, as_table
from src.evaluation.slices import AXES, Axis, make_slices
from src.evaluation.thresholds import model_report, write_model_report
from src.utils.errors import DataError
from src.utils.model_card import ModelCard

WEIGHTINGS: tuple[Weighting, ...] = ("photos", "shops")
# In the degraded tiers only the axes that decisions hang on are sliced.
_DEGRADED_AXES: tuple[Axis, ...] = ("style", "family")


def judge(
    rows: dict[str, list[ScoreRow]], card: ModelCard
) -> tuple[dict[Dataset, Applied], ScoreTable, dict[int, Fitted]]:
    """Apply view plan, calibration and policies to each data set.

    Returns:
        The judged tables, the table of `unseen` as it was scored, and what was fitted for each fold.

    Raises:
        DataError: The card is not the one that these scores teach.
    """
    # One order of rows, whatever order they were scored in: sums of floats depend on it in the last digit.
    unseen, test = (as_table(sort_rows(rows[name])) for name in ("unseen", "test"))
    check_fitted(card, fit(unseen))
    crossed, fitted = cross_fit(unseen)
    choice = choice_of(card.views)
    applied: dict[Dataset, Applied] = {
        "test": apply(test, choice, card.calibration, card.policies),
        "unseen": crossed,
    }
    strangers = [row for row in rows.get("heldout", []) if row.label == "ai_generated"]
    if strangers:
        # A generator has no real photos: those of known shops stand beside its pictures.
        real = [row for row in rows["test"] if row.label == "real"]
        table = as_table(sort_rows([*strangers, *real]))
        applied["heldout"] = apply(table, choice, card.calibration, card.policies)
    return applied, unseen, fitted


def check_fitted(card: ModelCard, fitted: Fitted) -> None:
    """Refuse a card whose plan and calibration are not what the scores teach.

    Raises:
        DataError: As said.
    """
    same = choice_of(card.views) == fitted.choice and np.allclose(
        (card.calibration.temperature, card.calibration.bias),
        (fitted.calibration.temperature, fitted.calibration.bias),
        rtol=1e-3,
        atol=1e-3,
    )
    if not same:
        raise DataError("the card was not fitted on these scores: run src.evaluation.fit first")


def build_report(
    rows: dict[str, list[ScoreRow]],
    card: ModelCard,
    inputs: Inputs,
    *,
    replicates: int = REPLICATES,
    captures: Mapping[str, Capture] | None = None,
) -> tuple[Report, dict[Dataset, Applied]]:
    """Compute everything.

    Args:
        rows: Score rows of `test`, of `unseen` and, where generators were held out, of `heldout`.
        card: Of the released model, with its final plan, calibration and policies.
        inputs: Where the scores come from, and the measurements that need photos.
        replicates: Bootstrap draws of every interval.
        captures: Photo id -> its original; without, there are no slices by size and compression.

    Raises:
        DataError: A table is empty, the folds do not part whole sources, or the card is of other scores.
    """
    applied, unseen, fitted = judge(rows, card)
    blocks = [
        make_block(judged.of_tier(tier), dataset, tier, policy, weighting, replicates=replicates)
        for dataset, judged in applied.items()
        for tier in judged.table.tiers
        for policy in judged.decided
        for weighting in WEIGHTINGS
    ]
    lengths = Lengths.of(card, inputs.tables["unseen"])
    report = Report(
        model_name=card.name,
        model_version=card.version,
        network=inputs.network,
        data_hash=card.data_hash,
        splits_hash=inputs.tables["test"][0].splits_hash,
        lengths=lengths,
        forms={dataset: _forms(inputs.tables[dataset]) for dataset in applied},
        samples={
            dataset: limit for dataset in applied if (limit := inputs.tables[dataset][0].limit) is not None
        },
        views=card.views,
        fold_plans={fold: each.choice.of(card.views) for fold, each in fitted.items()},
        calibration=card.calibration,
        policies=card.policies,
        fold_calibrations={fold: each.calibration for fold, each in fitted.items()},
        blocks=blocks,
        slices=[
            SliceSet(
                dataset=dataset,
                tier=tier,
                rows=make_slices(
                    judged.of_tier(tier), _axes(dataset, tier), replicates=replicates, captures=captures
                ),
            )
            for dataset, judged in applied.items()
            for tier in judged.table.tiers
        ],
        ablation=view_ablation(unseen, applied["test"].table, replicates=replicates),
        view_grid=view_grid(unseen),
        shortcut=inputs.shortcut,
        latency=inputs.latency,
        bars=hold_bars(blocks, inputs.shortcut, lengths),
    )
    return report, applied


def _axes(dataset: Dataset, tier: str) -> tuple[Axis, ...]:
    if dataset == "heldout":
        return ("generator",)
    return AXES if tier == "clean" else _DEGRADED_AXES


def _forms(metas: Sequence[ScoreMeta]) -> Forms:
    total = Forms(original=0, stored=0, missing=0)
    for meta in metas:
        total += meta.forms or total
    return total


def make_block(
    judged: Applied, dataset: Dataset, tier: str, policy: str, weighting: Weighting, *, replicates: int
) -> Block:
    """All figures of one tier under one policy; `shops` lets every shop count once."""
    table = judged.table
    base = even_shops(table.source, table.fake) if weighting == "shops" else np.ones(len(table))
    wrong, review = table.fake != judged.decided[policy], judged.review[policy]

    def error(mask: np.ndarray) -> float | None:
        return float(np.average(wrong[mask], weights=base[mask])) if mask.any() else None

    return Block(
        dataset=dataset,
        tier=tier,
        policy=policy,
        weighting=weighting,
        photos=len(table),
        fakes=int(np.count_nonzero(table.fake)),
        sources=len(np.unique(table.source)),
        figures=verdict_intervals(judged.verdicts(policy), table.source, base=base, replicates=replicates),
        review_share=float(np.average(review, weights=base)),
        error_in_review=error(review),
        error_outside=error(~review),
    )


def write_report(folder: Path, report: Report, applied: dict[Dataset, Applied]) -> None:
    """Write `report.json`, the plots and `report.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draw_plots({str(dataset): judged for dataset, judged in applied.items()}, folder)
    (folder / "report.md").write_text(render_report(report), encoding="utf-8")


def main(argv: Sequence[str]) -> int:
    """Make the report."""
    args = parser("src.evaluation.report", __doc__)
    args.add_argument("--test", type=Path, default=None, help="score table of --select test")
    args.add_argument("--unseen", nargs="+", default=None, help="score tables of all folds")
    args.add_argument(
        "--heldout", type=Path, default=None, help="score table of --select heldout; left out when not there"
    )
    args.add_argument("--shortcut", nargs="+", default=[], help="files of src.evaluation.shortcut")
    args.add_argument("--latency", type=Path, default=None, help="file of src.evaluation.latency")
    args.add_argument("--model", type=Path, default=Path("models/detector.onnx"))
    args.add_argument("--manifest", type=Path, default=Path("data/manifest.csv"))
    args.add_argument("--out", type=Path, default=Path("reports/detector"))
    args.add_argument("--replicates", type=int, default=REPLICATES)
    options = args.parse_args(argv)
    if (options.test is None) != (options.unseen is None):
        raise DataError("give both --test and --unseen, or neither to use the inputs in the report folder")
    card, network = read_card(options.model), network_hash(options.model)
    records = read_manifest(options.manifest)
    if options.test is None:
        rows, inputs = read_archive(options.out, records)
    else:
        known = {"test": options.test}
        if options.heldout and options.heldout.is_file():
            known["heldout"] = options.heldout
        shortcut = expand(options.shortcut)
        rows, inputs = gather(known, expand(options.unseen), shortcut, options.latency, network)
    check_inputs(rows, inputs, card, network)
    if options.test is not None:
        write_archive(options.out, rows, inputs)
    captures = read_captures(options.manifest, records)
    report, applied = build_report(rows, card, inputs, replicates=options.replicates, captures=captures)
    write_report(options.out, report, applied)
    write_model_report(options.out, model_report(report, applied, replicates=options.replicates))
    for bar in report.bars:
        sys.stdout.write(f"{'met   ' if bar.met else 'MISSED'} {bar.name}: {bar.value:.3f} ({bar.bar})\n")
    return 0


if __name__ == "__main__":
    run_command(main)
