"""Makes the report folder of a release from score tables: JSON, Markdown, plots and its own inputs.

`test` (new photos of known shops) is judged with the card as it is; `unseen` (shops the network never saw)
with calibration and thresholds cross-fitted over folds. Without score tables, the folder's own inputs are
read again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from src.data.manifest import read_manifest
from src.evaluation.ablation import view_ablation
from src.evaluation.archive import Inputs, read_archive, write_archive
from src.evaluation.bars import hold_bars
from src.evaluation.bootstrap import REPLICATES, even_shops, verdict_intervals
from src.evaluation.card import network_hash, read_card
from src.evaluation.command import expand, parser, run_command
from src.evaluation.crossfit import Applied, apply, check_folds, cross_fit
from src.evaluation.figures import Block, Dataset, Report, SliceSet, Weighting
from src.evaluation.latency import Latency
from src.evaluation.markdown import render_report
from src.evaluation.plots import draw_plots
from src.evaluation.score import read_meta
from src.evaluation.scores import ScoreRow, as_table, read_scores
from src.evaluation.shortcut import ShortcutReport
from src.evaluation.slices import AXES, Axis, make_slices
from src.utils.errors import DataError
from src.utils.model_card import ModelCard

WEIGHTINGS: tuple[Weighting, ...] = ("photos", "shops")
# In the degraded tiers only the axes that decisions hang on are sliced.
_DEGRADED_AXES: tuple[Axis, ...] = ("style", "family")


def judge(rows: dict[str, list[ScoreRow]], card: ModelCard) -> tuple[dict[Dataset, Applied], Report]:
    """Apply calibration and policies to both data sets, and begin the report with what was fitted."""
    # One order of rows, whatever order they were scored in: sums of floats depend on it in the last digit.
    tables = {
        dataset: as_table(sorted(part, key=lambda row: (row.photo_id, row.tier)))
        for dataset, part in rows.items()
    }
    unseen = tables["unseen"]
    crossed, fitted = cross_fit(unseen)
    applied: dict[Dataset, Applied] = {
        "test": apply(tables["test"], card.calibration, card.policies),
        "unseen": crossed,
    }
    begun = Report(
        model_name=card.name,
        model_version=card.version,
        network="",
        data_hash=card.data_hash,
        calibration=card.calibration,
        policies=card.policies,
        fold_calibrations={fold: each.calibration for fold, each in fitted.items()},
        blocks=[],
        slices=[],
        ablation=[],
        shortcut=[],
        latency=None,
        bars=[],
    )
    return applied, begun


def build_report(
    rows: dict[str, list[ScoreRow]], card: ModelCard, inputs: Inputs, *, replicates: int = REPLICATES
) -> tuple[Report, dict[Dataset, Applied]]:
    """Compute everything.

    Args:
        rows: Score rows of `test` and of `unseen`.
        card: Of the released model, with its final calibration and policies.
        inputs: Which networks scored, and the measurements that need photos.
        replicates: Bootstrap draws of every interval.

    Raises:
        DataError: A table is empty, or the folds do not part whole sources.
    """
    applied, begun = judge(rows, card)
    blocks = [
        make_block(judged.of_tier(tier), dataset, tier, policy, weighting, replicates=replicates)
        for dataset, judged in applied.items()
        for tier in judged.table.tiers
        for policy in judged.decided
        for weighting in WEIGHTINGS
    ]
    slices = [
        SliceSet(
            dataset=dataset,
            tier=tier,
            rows=make_slices(
                judged.of_tier(tier), AXES if tier == "clean" else _DEGRADED_AXES, replicates=replicates
            ),
        )
        for dataset, judged in applied.items()
        for tier in judged.table.tiers
    ]
    tables = {dataset: judged.table for dataset, judged in applied.items()}
    report = begun.model_copy(
        update={
            "network": inputs.network,
            "blocks": blocks,
            "slices": slices,
            "ablation": view_ablation(tables["unseen"], tables["test"], replicates=replicates),
            "shortcut": inputs.shortcut,
            "latency": inputs.latency,
            "bars": hold_bars(blocks, inputs.shortcut),
        }
    )
    return report, applied


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


def gather(
    test: Path, unseen: Sequence[Path], shortcut: Sequence[Path], latency: Path | None, network: str
) -> tuple[dict[str, list[ScoreRow]], Inputs]:
    """Read the score tables and measurements of a release, and check that they belong together.

    Raises:
        DataError: `test` or a check was made with another network than the released one, or an `unseen` table
        was
            not scored by a network of its own fold.
    """
    if read_meta(test).network != network:
        raise DataError(f"{test.name} was scored by another network than the released one: score it anew")
    metas = [read_meta(path) for path in unseen]
    if any(not meta.select.startswith("fold:") or meta.network == network for meta in metas):
        raise DataError("unseen tables must be scored with --select fold:K by networks that left fold K out")
    rows = {"test": read_scores(test), "unseen": [row for path in unseen for row in read_scores(path)]}
    check_folds(as_table(rows["unseen"]))
    try:
        inputs = Inputs(
            network=network,
            fold_networks=sorted({meta.network for meta in metas}),
            shortcut=[ShortcutReport.model_validate_json(path.read_bytes()) for path in shortcut],
            latency=Latency.model_validate_json(latency.read_bytes()) if latency else None,
        )
    except (OSError, ValidationError) as error:
        raise DataError(f"a shortcut or latency file is missing or invalid: {error}") from error
    if any(check.network not in (network, *inputs.fold_networks) for check in inputs.shortcut):
        raise DataError("a shortcut check was made with a network that is not of this release")
    if len(inputs.fold_networks) != len(metas):
        raise DataError("each fold needs a network of its own")
    return rows, inputs


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
    if options.test is None:
        rows, inputs = read_archive(options.out, read_manifest(options.manifest))
        if inputs.network != network:
            raise DataError(
                "the report folder's scores are of another network than the model's: score it anew"
            )
    else:
        shortcut = expand(options.shortcut)
        rows, inputs = gather(options.test, expand(options.unseen), shortcut, options.latency, network)
        write_archive(options.out, rows, inputs)
    report, applied = build_report(rows, card, inputs, replicates=options.replicates)
    write_report(options.out, report, applied)
    for bar in report.bars:
        sys.stdout.write(f"{'met   ' if bar.met else 'MISSED'} {bar.name}: {bar.value:.3f} ({bar.bar})\n")
    return 0


if __name__ == "__main__":
    run_command(main)
