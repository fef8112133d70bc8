"""Shipping: the model that the report judged, whole, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.evaluation.card import network_hash, read_card, write_card
from src.evaluation.release import main
from src.utils.errors import DataError
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
    assert [each.name for each in target.parent.iterdir()] == ["detector.onnx"]


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
