"""Fitting the card from scores of unseen shops."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.evaluation.card import network_hash, read_card
from src.evaluation.crossfit import fit
from src.evaluation.fit import fitted_card, load_table, main
from src.evaluation.scores import ScoreTable, as_table, write_scores
from src.utils.errors import DataError
from tests.evaluation.conftest import synthetic_rows
from tests.support.tiny_model import tiny_card, write_tiny_model


def fold_tables(folder: Path, **options: object) -> list[Path]:
    rows = synthetic_rows(**options)  # type: ignore[arg-type]
    paths = []
    for fold in range(5):
        paths.append(folder / f"fold{fold}.csv")
        write_scores(paths[-1], [row for row in rows if row.fold == fold])
    return paths


def test_the_command_writes_what_was_fitted_into_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = fold_tables(tmp_path)
    model = write_tiny_model(tmp_path / "m.onnx")
    network = network_hash(model)
    assert main(["--unseen", *map(str, paths), "--model", str(model)]) == 0
    card, expected = read_card(model), fit(load_table(paths))
    assert (card.calibration, card.policies) == (expected.calibration, expected.policies)
    assert network_hash(model) == network
    assert card.metrics["auroc"] == 0.5  # what training wrote stays
    assert 0.8 < card.metrics["unseen_clean_auroc"] <= 1
    assert "low_false_positive" in capsys.readouterr().out


def test_a_quoted_pattern_is_as_good_as_the_shells(tmp_path: Path) -> None:
    fold_tables(tmp_path)
    model = write_tiny_model(tmp_path / "m.onnx")
    assert main(["--unseen", f"{tmp_path}/fold*.csv", "--model", str(model)]) == 0
    with pytest.raises(DataError, match="no file"):
        main(["--unseen", f"{tmp_path}/none*.csv", "--model", str(model)])


def test_all_tiers_are_needed() -> None:
    table = as_table(synthetic_rows(tiers=("clean", "web")))
    with pytest.raises(DataError, match="hard"):
        fitted_card(tiny_card(), table)


def test_scores_of_known_shops_are_refused(table: ScoreTable) -> None:
    table.fold[::2] += 1
    with pytest.raises(DataError, match="more than one fold"):
        fitted_card(tiny_card(), table)
