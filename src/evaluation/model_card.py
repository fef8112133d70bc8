"""Writes `docs/MODEL_CARD.md` from the shipped model and the reports on it; `--check` finds a stale one.

A measurement of another version is left out: a card must not speak of a model that is not shipped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from src.data.manifest import read_manifest
from src.evaluation.adversarial import Adversarial
from src.evaluation.card import network_hash, read_card
from src.evaluation.command import parser, run_command
from src.evaluation.comparison_page import Comparison
from src.evaluation.figures import read_report
from src.evaluation.model_card_facts import Facts
from src.evaluation.model_card_page import render
from src.evaluation.partial_page import Partial
from src.evaluation.robustness_figures import Robustness
from src.evaluation.robustness_sample import Sample
from src.utils.errors import DataError

Measured = TypeVar("Measured", Robustness, Adversarial, Partial, Comparison)


def read_measurement(path: Path, kind: type[Measured], version: str) -> Measured | None:
    """A measurement, if it is there and of this version of the model.

    Raises:
        DataError: The file is damaged.
    """
    if not path.is_file():
        return None
    try:
        found = kind.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise DataError(f"{path.name} is damaged: measure anew") from error
    sample: Sample = found.sample
    return found if sample.model_version == version else None


def gather(model: Path, reports: Path, manifest: Path) -> Facts:
    """Read everything that the page is made of.

    Raises:
        DataError: There is no report, or it is of another model.
        ModelError: There is no model.
    """
    card, report = read_card(model), read_report(reports / "report.json")
    if (network_hash(model), card.version) != (report.network, report.model_version):
        raise DataError("the report is of another model: run `make evaluate`")
    return Facts(
        card=card,
        report=report,
        records=read_manifest(manifest),
        robustness=read_measurement(reports / "robustness.json", Robustness, card.version),
        adversarial=read_measurement(reports / "adversarial.json", Adversarial, card.version),
        partial=read_measurement(reports / "partial.json", Partial, card.version),
        comparison=read_measurement(reports / "comparison.json", Comparison, card.version),
    )


def main(argv: Sequence[str]) -> int:
    """Write the page; with --check, exit code 1 when it is stale."""
    args = parser("src.evaluation.model_card", __doc__)
    args.add_argument("--check", action="store_true", help="change nothing; exit code 1 when stale")
    args.add_argument("--model", type=Path, default=Path("models/detector.onnx"))
    args.add_argument("--reports", type=Path, default=Path("reports/detector"))
    args.add_argument("--manifest", type=Path, default=Path("data/manifest.csv"))
    args.add_argument("--out", type=Path, default=Path("docs/MODEL_CARD.md"))
    options = args.parse_args(argv)
    text = render(gather(options.model, options.reports, options.manifest))
    if options.out.is_file() and options.out.read_text(encoding="utf-8") == text:
        return 0
    if options.check:
        sys.stderr.write(f"{options.out.name} is stale: run `make model-card`\n")
        return 1
    options.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    run_command(main)
