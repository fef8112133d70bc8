"""Each gate refuses what it is there for, says by how much, and lets a good model pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.evaluation.card import network_hash, read_card
from src.evaluation.figures import read_report
from src.evaluation.gates import (
    GateLimits,
    GateResult,
    hold_data_gates,
    hold_file_gates,
    hold_gates,
    load_limits,
    missed,
)
from src.evaluation.rerun import Rerun
from src.evaluation.slice_gates import hold_proxies
from src.evaluation.slices import PROXIES
from src.utils.errors import ConfigError
from tests.support.registry import judged_model, report_of, valid_data

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judged_model(tmp_path_factory.mktemp("judged"))[0]


def run(**changes: Any) -> Rerun:
    fields = {
        "photos": 12,
        "not_finite": 0,
        "repeat_difference": 0.0,
        "batch_difference": 1e-6,
        "median_ms": 50.0,
        "megabytes": 14.0,
    }
    return Rerun.model_validate(fields | changes)


def only_missed(results: list[GateResult]) -> GateResult:
    (result,) = missed(results)
    assert result.margin is not None
    assert result.margin < 0
    assert "misses by" in result.words
    return result


def test_a_model_as_good_as_the_champion_passes(model: Path) -> None:
    report = report_of(model)
    results = hold_gates(report, report)
    assert missed(results) == []
    assert len(results) > len(hold_gates(report, None)) > 10


@pytest.mark.parametrize(
    ("change", "name", "margin"),
    [
        ({"slices": {("unseen", "family", "flux"): 0.8}}, "family flux, unseen, against champion", 0.055),
        ({"slices": {("test", "style", "seller"): 0.84}}, "style seller, test, against champion", 0.015),
        (
            {"metrics": {("test", "clean", "low_false_positive", "specificity"): 0.97}},
            "specificity under low_false_positive, test, against champion",
            0.005,
        ),
        (
            {"metrics": {("unseen", "clean", "balanced", "balanced_accuracy"): 0.87}},
            "balanced_accuracy under balanced, unseen, against champion",
            0.02,
        ),
        (
            {"metrics": {("test", "clean", "balanced", "ece"): 0.09}},
            "calibration error, test, against champion",
            0.03,
        ),
        (
            {"metrics": {("unseen", "hard", "balanced", "auroc"): 0.9}},
            "AUROC, unseen, hard, against champion",
            0.04,
        ),
        ({"splits_hash": "other"}, "same splits as the champion's report", 1.0),
        ({"spearman": -0.4}, "largest Spearman of a file fact", 0.15),
        ({"cost": 2.5}, "points lost to re-encoding", 0.5),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_worse_model_is_refused_by_the_gate_that_is_for_it(
    model: Path, change: dict[str, Any], name: str, margin: float
) -> None:
    result = only_missed(hold_gates(report_of(model, **change), report_of(model)))
    assert result.name == name
    assert result.margin == pytest.approx(-margin, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"slices": {("test", "style", "studio"): 0.5}}, "specificity of studio, test"),
        (
            {"metrics": {("unseen", "clean", "low_false_positive", "specificity"): 0.94}},
            "headline specificity, unseen",
        ),
        ({"metrics": {("test", "clean", "balanced", "ece"): 0.2}}, "calibration error, test"),
        ({"metrics": {("test", "web", "balanced", "auroc"): 0.7}}, "AUROC, test, web"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_first_model_meets_limits_of_its_own(model: Path, change: dict[str, Any], name: str) -> None:
    assert only_missed(hold_gates(report_of(model, **change), None)).name == name


def test_a_slice_that_is_no_longer_measured_is_missed(model: Path) -> None:
    champion = report_of(model, slices={("unseen", "family", "midjourney"): 0.7})
    (result,) = missed(hold_gates(report_of(model), champion))
    assert (result.name, result.value) == ("family midjourney, unseen, against champion", None)
    assert "not measured" in result.words


PROXY_SLICES = {
    (dataset, axis, name): 0.9
    for dataset in ("test", "unseen")
    for axis, names in (
        ("resolution", ("below 500 px", "3000 px and more")),
        ("compression", ("JPEG, quality below 75", "JPEG, quality 85 to 94")),
        ("product", ("food", "fashion")),
    )
    for name in names
}


@pytest.mark.parametrize(
    ("axis", "name"),
    [
        ("resolution", "below 500 px"),
        ("compression", "JPEG, quality below 75"),
        ("product", "food"),
    ],
)
def test_a_model_that_harms_one_kind_of_seller_is_refused(model: Path, axis: str, name: str) -> None:
    champion = report_of(model, slices=PROXY_SLICES)
    assert missed(hold_gates(champion, champion)) == []
    # The mean is as it was: only the photos of one band are judged worse.
    harmful = report_of(model, slices=PROXY_SLICES | {("unseen", axis, name): 0.8})
    result = only_missed(hold_gates(harmful, champion))
    assert result.name == f"{axis} {name}, unseen, against champion"
    assert result.margin == pytest.approx(-(0.1 - 0.03 - 2 * 0.015), abs=1e-9)
    # Alone, a share is held against the floor.
    assert missed(hold_gates(harmful, None)) == []
    bad = report_of(model, slices=PROXY_SLICES | {("test", axis, name): 0.4})
    assert only_missed(hold_gates(bad, None)).name == f"specificity of {axis} {name}, test"


def test_a_slice_below_the_floor_may_stay_as_it_is_and_not_get_worse(model: Path) -> None:
    food = ("unseen", "product", "food")
    champion = report_of(model, slices=PROXY_SLICES | {food: 0.45})
    assert missed(hold_gates(champion, champion)) == []
    worse = report_of(model, slices=PROXY_SLICES | {food: 0.44})
    assert only_missed(hold_gates(worse, champion)).limit == 0.45
    assert only_missed(hold_gates(champion, None)).limit == 0.50


def test_an_older_report_without_kinds_of_sellers_is_told_and_refuses_nobody(model: Path) -> None:
    old, new = report_of(model), report_of(model, slices=PROXY_SLICES)
    neither = [each for each in hold_gates(old, old) if each.value is None]
    assert missed(hold_gates(old, old)) == []
    assert [each.name for each in neither] == [
        f"{axis}, {dataset}" for dataset in ("test", "unseen") for axis in PROXIES
    ]
    assert all("not measured, so not held" in each.words for each in neither)
    first = hold_gates(new, old)
    assert missed(first) == []
    assert "product, unseen, against champion" in {each.name for each in first if each.value is None}
    # Its floors are held all the same.
    bad = report_of(model, slices=PROXY_SLICES | {("test", "product", "food"): 0.4})
    assert only_missed(hold_gates(bad, old)).name == "specificity of product food, test"
    # From the first champion on that has them, nobody may leave them out.
    gone = missed(hold_gates(old, new))
    assert {each.name for each in gone} == {
        f"{axis} {name}, {dataset}, against champion" for dataset, axis, name in PROXY_SLICES
    }
    assert all(each.value is None for each in gone)


def test_the_released_report_has_every_kind_of_seller_and_holds_their_floors() -> None:
    report = read_report(REPO / "reports" / "detector" / "report.json")
    limits = load_limits(REPO / "configs" / "gates.yaml")
    found = list(hold_proxies(report, None, limits))
    assert missed(found) == []
    assert all(each.value is not None for each in found)
    for axis in PROXIES:
        for dataset in ("test", "unseen"):
            assert [each for each in found if f"of {axis} " in each.name and each.name.endswith(dataset)]


def test_a_handful_of_photos_of_a_kind_of_seller_is_not_held(model: Path) -> None:
    champion = report_of(model, slices=PROXY_SLICES)
    harmful = report_of(model, slices=PROXY_SLICES | {("unseen", "product", "food"): 0.3})
    asked = GateLimits(min_proxy_photos=401)
    assert len(missed(hold_gates(harmful, champion))) == 2
    assert missed(hold_gates(harmful, champion, asked)) == []


def test_a_figure_that_is_no_number_passes_nothing(model: Path) -> None:
    odd = report_of(model, metrics={("test", "clean", "balanced", "ece"): float("nan")}, cost=None)
    assert {each.name for each in missed(hold_gates(odd, None))} == {
        "calibration error, test",
        "points lost to re-encoding",
    }


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"not_finite": 1}, "answers that are not finite"),
        ({"repeat_difference": 1e-9}, "probability moved by asking again"),
        ({"batch_difference": 0.01}, "probability moved by the batch"),
        ({"median_ms": 80.0}, "latency against champion"),
        ({"megabytes": 30.0}, "size against champion"),
    ],
)
def test_a_file_that_answers_badly_slowly_or_is_large_is_refused(change: dict[str, Any], name: str) -> None:
    assert missed(hold_file_gates(run(), run())) == []
    assert only_missed(hold_file_gates(run(**change), run())).name == name


def test_absolute_speed_and_size() -> None:
    names = {each.name for each in missed(hold_file_gates(run(median_ms=900.0, megabytes=99.0), None))}
    assert names == {"latency, ms", "size, MB"}


def test_a_report_of_another_model_or_of_leaking_data_is_refused(model: Path) -> None:
    card, network, report = read_card(model), network_hash(model), report_of(model)
    assert missed(hold_data_gates(card, network, report, valid_data())) == []
    other = card.model_copy(update={"calibration": card.calibration.model_copy(update={"bias": 1.0})})
    untrained = card.model_copy(update={"training": None})
    relabelled = card.model_copy(update={"data_hash": "f" * 16})
    for found, name in (
        (hold_data_gates(card, "another", report, valid_data()), "report is of this network"),
        (hold_data_gates(other, network, report, valid_data()), "report is of this card"),
        (hold_data_gates(untrained, network, report, valid_data()), "trained by the splits of the report"),
        (hold_data_gates(relabelled, network, report, valid_data()), "training data of the report"),
        (hold_data_gates(card, network, report, valid_data(errors=2)), "errors and leaks in the data"),
    ):
        assert only_missed(found).name == name
    (unknown,) = missed(hold_data_gates(card, network, report, None))
    assert unknown.value is None


def test_the_committed_limits_are_read_and_an_unknown_one_is_an_error(tmp_path: Path) -> None:
    assert load_limits(REPO / "configs" / "gates.yaml") == GateLimits()
    odd = tmp_path / "gates.yaml"
    odd.write_text("force: true\n")
    with pytest.raises(ConfigError, match="force"):
        load_limits(odd)
    with pytest.raises(ConfigError):
        load_limits(tmp_path / "gone.yaml")
