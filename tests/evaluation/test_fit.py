"""Fitting the card from scores of unseen shops."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.evaluation.card import network_hash, read_card
from src.evaluation.crossfit import fit
from src.evaluation.fit import fitted_card, load_table, main
from src.evaluation.plan import choice_of
from src.evaluation.scores import ScoreTable, as_table, read_scores
from src.utils.errors import DataError
from tests.evaluation.conftest import released_card, score_meta, synthetic_rows, write_folds, write_table
from tests.support.tiny_model import write_tiny_model

METAS = [score_meta(network=f"n{fold}", select=f"fold:{fold}", held_out_fold=fold) for fold in range(5)]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return write_folds(tmp_path, synthetic_rows())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "m.onnx", released_card(metrics={"auroc": 0.5, "unseen_old": 1.0}))


def test_the_command_writes_what_was_fitted_into_the_model(
    paths: list[Path], model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = network_hash(model)
    assert main(["--unseen", *map(str, paths), "--model", str(model)]) == 0
    card, expected = read_card(model), fit(load_table(paths))
    assert (card.calibration, choice_of(card.views)) == (expected.calibration, expected.choice)
    for name, policy in expected.policies.items():
        said = card.policies[name]
        assert said.model_copy(update={"description": policy.description}) == policy
        assert "fold networks of 550 steps; this network was trained for 1500" in said.description
    assert network_hash(model) == network
    assert card.metrics["auroc"] == 0.5  # what training wrote stays
    assert 0.8 < card.metrics["unseen_clean_auroc"] <= 1
    assert "unseen_old" not in card.metrics
    assert [card.metrics[f"unseen_photos_{name}"] for name in ("original", "stored_512px", "missing")] == [
        220,
        20,
        0,
    ]
    printed = capsys.readouterr().out
    assert "low_false_positive" in printed
    assert all("550 steps" in line for line in printed.splitlines() if line.startswith("unseen_clean_"))
    # Fitted again, it is the same card: the fold tables hold all that was there to choose from.
    assert main(["--unseen", *map(str, reversed(paths)), "--model", str(model)]) == 0
    assert read_card(model) == card


@pytest.mark.usefixtures("paths")
def test_a_quoted_pattern_is_as_good_as_the_shells(tmp_path: Path, model: Path) -> None:
    assert main(["--unseen", f"{tmp_path}/fold*.csv", "--model", str(model)]) == 0
    with pytest.raises(DataError, match="no file"):
        main(["--unseen", f"{tmp_path}/none*.csv", "--model", str(model)])


def test_in_sample_scores_are_refused(paths: list[Path], model: Path) -> None:
    before = model.read_bytes()
    write_table(paths[0], read_scores(paths[0]), network="released", select="all")
    with pytest.raises(DataError, match="not out of fold"):
        main(["--unseen", *map(str, paths), "--model", str(model)])
    assert model.read_bytes() == before


@pytest.mark.parametrize("facts", [None, {"held_out_fold": 2}, {"splits_hash": "other"}])
def test_a_model_that_is_not_the_released_one_is_refused(
    paths: list[Path], tmp_path: Path, facts: dict[str, object] | None
) -> None:
    card = released_card()
    assert card.training is not None
    changed = None if facts is None else card.training.model_copy(update=facts)
    model = write_tiny_model(tmp_path / "m.onnx", card.model_copy(update={"training": changed}))
    with pytest.raises(DataError, match="the model"):
        main(["--unseen", *map(str, paths), "--model", str(model)])


def test_all_tiers_are_needed() -> None:
    table = as_table(synthetic_rows(tiers=("clean", "web")))
    with pytest.raises(DataError, match="hard"):
        fitted_card(released_card(), table, METAS)


def test_scores_of_known_shops_are_refused(table: ScoreTable) -> None:
    table.fold[::2] += 1
    with pytest.raises(DataError, match="more than one fold"):
        fitted_card(released_card(), table, METAS)
