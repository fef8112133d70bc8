"""Shipping: the model that the report judged, whole, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.evaluation.card import network_hash, read_card, write_card
from src.evaluation.release import main
from src.evaluation.thresholds import FILE
from src.utils.errors import DataError
from src.utils.model_report import beside, read_model_report
from tests.evaluation.test_report import Release


@pytest.fixture
def release(tmp_path: Path) -> Release:
    made = Release(tmp_path)
    made.report()
    return made


def ship(release: Release) -> Path:
    target = release.root / "models" / "detector.onnx"
    report = ["--report", str(release.out / "report.json")]
    assert main(["--model", str(release.model), *report, "--to", str(target)]) == 0
    return target


def test_the_judged_model_is_shipped(release: Release) -> None:
    target = ship(release)
    assert target.read_bytes() == release.model.read_bytes()
    assert network_hash(target) == release.network
    assert {each.name for each in target.parent.iterdir()} == {"detector.onnx", "detector.report.json"}


def test_a_model_that_was_not_judged_is_not_shipped(release: Release) -> None:
    shipped = ship(release).read_bytes()
    card = read_card(release.model)
    strict = card.policies["balanced"].model_copy(update={"review_high": 1.0})
    for change, name in (
        ({"version": "9"}, "version"),
        ({"calibration": card.calibration.model_copy(update={"bias": 9.0})}, "calibration"),
        ({"policies": card.policies | {"balanced": strict}}, "policies"),
        ({"views": card.views.model_copy(update={"global_sizes": (96,)})}, "network, views"),
        ({"training": None}, "splits_hash, steps"),
    ):
        write_card(release.model, card.model_copy(update=change))
        with pytest.raises(DataError, match=rf"\({name} differ\)"):
            ship(release)
    assert (release.root / "models" / "detector.onnx").read_bytes() == shipped


def test_the_figures_of_the_model_are_shipped_beside_it(release: Release) -> None:
    found = read_model_report(beside(ship(release)))
    assert found is not None
    card = read_card(release.model)
    assert (found.model_name, found.model_version) == (card.name, card.version)
    assert found == read_model_report(release.out / FILE)


def test_no_model_is_shipped_with_the_figures_of_another_one(release: Release) -> None:
    path = release.out / FILE
    found = read_model_report(path)
    assert found is not None
    path.write_text(found.model_copy(update={"model_version": "9"}).model_dump_json())
    with pytest.raises(DataError, match="make evaluate"):
        ship(release)
    path.unlink()
    with pytest.raises(DataError, match="make evaluate"):
        ship(release)
    assert not (release.root / "models").exists()
