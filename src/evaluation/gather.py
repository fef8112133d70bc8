"""The score tables and measurements of a release, read, and refused when they do not belong together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from src.evaluation.archive import Inputs
from src.evaluation.crossfit import check_folds
from src.evaluation.fit import load_unseen
from src.evaluation.latency import Latency
from src.evaluation.origin import check_known, check_release, check_unseen, read_meta
from src.evaluation.scores import ScoreRow, as_table, read_scores
from src.evaluation.shortcut import ShortcutReport
from src.utils.errors import DataError
from src.utils.model_card import ModelCard


def gather(
    known: dict[str, Path],
    unseen: Sequence[Path],
    shortcut: Sequence[Path],
    latency: Path | None,
    network: str,
) -> tuple[dict[str, list[ScoreRow]], Inputs]:
    """Read the score tables and measurements of a release.

    Args:
        known: `test`, and `heldout` where there is one -> its table.
        unseen: Tables of all folds.
        shortcut: Files of `src.evaluation.shortcut`.
        latency: File of `src.evaluation.latency`.
        network: Hash of the released network.

    Raises:
        DataError: A file is missing or invalid, or a fold table is not out of fold.
    """
    metas, rows = load_unseen(unseen)
    try:
        inputs = Inputs(
            network=network,
            tables={"unseen": metas, **{name: [read_meta(path)] for name, path in known.items()}},
            shortcut=[ShortcutReport.model_validate_json(path.read_bytes()) for path in shortcut],
            latency=Latency.model_validate_json(latency.read_bytes()) if latency else None,
        )
    except (OSError, ValidationError) as error:
        raise DataError(f"a shortcut or latency file is missing or invalid: {error}") from error
    return {"unseen": rows, **{name: read_scores(path) for name, path in known.items()}}, inputs


def check_inputs(rows: dict[str, list[ScoreRow]], inputs: Inputs, card: ModelCard, network: str) -> None:
    """Refuse inputs that do not belong together, or to the model, or are not what they are called.

    Raises:
        DataError: As said.
    """
    unseen = inputs.tables["unseen"]
    if inputs.network != network:
        raise DataError("the report folder's scores are of another network than the model's: score it anew")
    check_unseen(unseen, [[row for row in rows["unseen"] if row.fold == m.held_out_fold] for m in unseen])
    if {row.fold for row in rows["unseen"]} != {meta.held_out_fold for meta in unseen}:
        raise DataError("there are photos of a fold that no table is of")
    check_folds(as_table(rows["unseen"]))
    check_release(card, network, unseen)
    for name in ("test", "heldout"):
        for meta in inputs.tables.get(name, []):
            check_known(meta, rows[name], name, unseen)
            if meta.network != network:
                raise DataError(
                    f"`{name}` was scored by another network than the released one: score it anew"
                )
            if meta.crops < card.views.crops:
                raise DataError(f"`{name}` was scored with fewer crops than the card counts: score it anew")
    for check in inputs.shortcut:
        used = {name for facts in check.facts for name in facts.networks}
        if check.network != network or not used <= {network, *inputs.fold_networks}:
            raise DataError("a shortcut check was made with a network that is not of this release")
