"""What is called out of fold is; everything else is refused, by name of the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.evaluation.fit import load_unseen
from src.evaluation.lengths import Lengths
from src.evaluation.origin import (
    Forms,
    ScoreMeta,
    check_known,
    check_release,
    check_selection,
    check_unseen,
    count_forms,
    read_meta,
)
from src.evaluation.scores import ScoreRow, write_scores
from src.utils.errors import DataError
from src.utils.model_card import TrainingFacts
from tests.evaluation.conftest import (
    released_card,
    score_meta,
    synthetic_rows,
    write_folds,
    write_table,
)
from tests.support.tiny_model import tiny_card


def card_of(fold: int | None, splits: str = "s"):  # type: ignore[no-untyped-def]
    return tiny_card(training=TrainingFacts(photos=1, steps=1, splits_hash=splits, held_out_fold=fold))


@pytest.mark.parametrize(
    ("fold", "wanted"), [(2, "fold:2"), (None, "test"), (None, "val"), (None, "heldout"), (1, "train")]
)
def test_a_network_may_score_what_it_never_saw(fold: int | None, wanted: str) -> None:
    check_selection(card_of(fold), wanted, "s")


@pytest.mark.parametrize(
    ("fold", "splits", "wanted", "message"),
    [
        (1, "s", "fold:2", "left out fold 1"),
        (None, "s", "fold:2", "left out no fold"),
        (2, "other", "fold:2", "splits other"),
        (2, "s", "test", "left out fold 2"),
        (2, "s", "val", "left out fold 2"),
        (2, "s", "heldout", "left out fold 2"),
        (None, "other", "test", "splits other"),
        (None, "other", "val", "splits other"),
    ],
)
def test_a_network_may_not_score_what_it_may_know(
    fold: int | None, splits: str, wanted: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        check_selection(card_of(fold, splits), wanted, "s")


@pytest.mark.parametrize("wanted", ["fold:0", "test", "val", "heldout"])
def test_a_card_that_says_nothing_proves_nothing(wanted: str) -> None:
    with pytest.raises(DataError, match="does not say"):
        check_selection(tiny_card(), wanted, "s")


@pytest.fixture
def folds(tmp_path: Path) -> list[Path]:
    return write_folds(tmp_path, synthetic_rows(shops=10, photos=3))


def test_tables_of_all_folds_are_taken(folds: list[Path]) -> None:
    metas, rows = load_unseen(folds)
    assert [meta.held_out_fold for meta in metas] == [0, 1, 2, 3, 4]
    assert rows == sorted(rows, key=lambda row: (row.photo_id, row.tier))
    assert len(rows) == 90


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"select": "all"}, "not out of fold"),
        ({"select": "train"}, "not out of fold"),
        ({"select": "test", "held_out_fold": None}, "not out of fold"),
        ({"held_out_fold": None}, "not out of fold"),  # in-sample: the network knew the fold
        ({"held_out_fold": 1}, "not out of fold"),  # ... or left out another one
        ({"select": "fold:1", "held_out_fold": 1}, "not of this fold"),  # labels swapped, rows tell
        ({"splits_hash": "other"}, "differ in splits_hash"),
        ({"manifest_hash": "other"}, "differ in manifest_hash"),
        ({"network": "n1"}, "network of its own"),
        ({"forms": None}, "not finished"),
        ({"forms": Forms(original=6, stored=0, missing=9)}, "more than 5%"),
        ({"forms": Forms(original=5, stored=0, missing=0)}, "another number"),
    ],
)
def test_a_table_that_is_not_out_of_fold_is_refused(
    folds: list[Path], changes: dict[str, Any], message: str
) -> None:
    from src.evaluation.scores import read_scores

    fields = read_meta(folds[0]).model_dump() | changes
    write_table(folds[0], read_scores(folds[0]), **fields)
    with pytest.raises(DataError, match=message):
        load_unseen(folds)


def test_swapped_tables_are_refused(folds: list[Path]) -> None:
    first, second = folds[0].read_bytes(), folds[1].read_bytes()
    folds[0].write_bytes(second)
    folds[1].write_bytes(first)
    with pytest.raises(DataError, match="not of this fold"):
        load_unseen(folds)


def test_one_fold_twice_is_refused(folds: list[Path]) -> None:
    with pytest.raises(DataError, match="one and the same fold"):
        load_unseen([folds[0], folds[0]])


def test_held_out_generators_do_not_teach_thresholds(tmp_path: Path) -> None:
    rows = [row.model_copy(update={"split": "heldout"}) for row in synthetic_rows(shops=10, photos=2)]
    with pytest.raises(DataError, match="not of this fold"):
        load_unseen(write_folds(tmp_path, rows))


def test_a_table_without_a_meta_is_refused(folds: list[Path]) -> None:
    folds[0].with_name("fold0.csv.json").unlink()
    with pytest.raises(DataError, match="which model"):
        load_unseen(folds)


def known_rows(split: str = "test") -> list[ScoreRow]:
    return synthetic_rows(shops=2, photos=1, split=split)


UNSEEN = [
    score_meta(network=f"n{fold}", select=f"fold:{fold}", held_out_fold=fold, steps=550) for fold in range(2)
]


@pytest.mark.parametrize(
    ("changes", "split", "message"),
    [
        ({"splits_hash": "other"}, "test", "differ in splits_hash"),
        ({"manifest_hash": "other"}, "test", "differ in manifest_hash"),
        ({"select": "all"}, "test", "--select test"),
        ({"select": "val"}, "test", "--select test"),
        ({"held_out_fold": 3}, "test", "without fold 3"),
        ({}, "train", "another split"),
        ({"forms": None}, "test", "not finished"),
        ({"network": "n1"}, "test", "cannot be both"),
    ],
)
def test_a_test_table_that_is_none_is_refused(changes: dict[str, Any], split: str, message: str) -> None:
    meta = score_meta(**({"forms": Forms(original=2, stored=0, missing=0)} | changes))
    with pytest.raises(DataError, match=message):
        check_known(meta, known_rows(split), "test", UNSEEN)


def test_a_test_table_of_the_release_is_taken() -> None:
    meta = score_meta(forms=Forms(original=1, stored=1, missing=0))
    check_known(meta, known_rows(), "test", UNSEEN)
    check_unseen([], [])


def test_only_the_network_of_all_folds_is_fitted() -> None:
    check_release(released_card(), "released", UNSEEN)
    for card, network, message in (
        (tiny_card(), "released", "by its card"),
        (card_of(0), "released", "by its card"),
        (released_card(), "n0", "by its card"),
        (card_of(None, "other"), "released", "other splits"),
    ):
        with pytest.raises(DataError, match=message):
            check_release(card, network, UNSEEN)


def test_photos_are_counted_by_the_form_they_were_scored_from(tmp_path: Path) -> None:
    rows = synthetic_rows(shops=2, photos=3)  # the second photo of each shop is stored
    forms = count_forms(rows, 7)
    assert (forms.original, forms.stored, forms.missing) == (4, 2, 1)
    assert forms.missing_share == pytest.approx(1 / 7)
    assert forms + forms == Forms(original=8, stored=4, missing=2)
    write_scores(tmp_path / "x.csv", rows)
    (tmp_path / "x.csv.json").write_text("{}")
    with pytest.raises(DataError, match="invalid"):
        read_meta(tmp_path / "x.csv")


def test_steps_come_from_the_cards() -> None:
    lengths = Lengths.of(released_card(), UNSEEN)
    assert lengths.words == "fold networks of 550 steps; the released one: 1500"
    longer: list[ScoreMeta] = [UNSEEN[0], UNSEEN[1].model_copy(update={"steps": 600})]
    assert "550 to 600 steps" in Lengths.of(released_card(), longer).words
    with pytest.raises(DataError, match="how long"):
        Lengths.of(released_card(), [UNSEEN[0].model_copy(update={"steps": None})])
    with pytest.raises(DataError, match="how long"):
        Lengths.of(tiny_card(), UNSEEN)
