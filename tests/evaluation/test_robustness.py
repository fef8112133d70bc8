"""Robustness: each change does what it is called, flips are counted, and strangers stay strangers."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest
from PIL import Image

from src.evaluation.bootstrap import Figure
from src.evaluation.card import network_hash, read_card
from src.evaluation.robustness import Judged, generator_for, main, measure
from src.evaluation.robustness_changes import CHANGES, UNTOUCHED, Change, noise, print_and_photo, white_border
from src.evaluation.robustness_figures import Robustness
from src.evaluation.robustness_page import render, signed
from src.evaluation.robustness_sample import add_sample_options, even_sample, open_sittings, under_rules
from src.utils.errors import DataError
from src.utils.model_card import Calibration
from tests.evaluation.conftest import World, make_record
from tests.support.pictures import difference, picture
from tests.support.tiny_model import tiny_card, write_tiny_model

SIZE = (160, 120)


def change_named(name: str) -> Change:
    return next(change for change in CHANGES if change.name == name)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_every_change_but_none_changes_the_picture_and_is_the_same_again(change):
    image = picture(3, SIZE)
    record = make_record("a", fake=False, source="s", size=SIZE)
    first, again = (change.apply(image, generator_for(record, change)) for _ in range(2))
    assert first.mode == "RGB"
    assert first.tobytes() == again.tobytes()
    assert (first.size == image.size and first.tobytes() == image.tobytes()) == (change is UNTOUCHED)


def test_the_changes_are_those_that_were_asked_for():
    names = [change.name for change in CHANGES]
    assert len(set(names)) == len(names)
    for quality in (30, 95):
        assert f"JPEG {quality}" in names
    for word in ("WebP", "AVIF", "crop", "blur", "noise", "brightness", "social", "browser", "print"):
        assert any(word in name for name in names), word
    assert {"resize 0.25x", "resize 2x", "watermark", "white border", "horizontal flip"} <= set(names)


def test_lower_quality_costs_more_pixels():
    image = picture(1, SIZE)
    rng = np.random.default_rng(0)
    for codec in (("JPEG 95", "JPEG 30"), ("WebP 80", "WebP 50"), ("AVIF 70", "AVIF 40")):
        good, bad = (difference(image, change_named(name).apply(image, rng)) for name in codec)
        assert good < bad


def test_sizes_are_those_of_the_names():
    image, rng = picture(2, (200, 100)), np.random.default_rng(1)
    assert change_named("resize 0.5x").apply(image, rng).size == (100, 50)
    assert change_named("crop to 70% of each side").apply(image, rng).size == (140, 70)
    assert white_border(image).size == (260, 160)
    assert white_border(image).getpixel((0, 0)) == (255, 255, 255)


def test_noise_has_its_strength_and_a_print_has_the_papers_contrast():
    grey = Image.new("RGB", SIZE, (128, 128, 128))
    assert np.asarray(noise(grey, 5.0, np.random.default_rng(0))).std() == pytest.approx(5.0, rel=0.05)
    white = Image.new("RGB", SIZE, (255, 255, 255))
    black = Image.new("RGB", SIZE, (0, 0, 0))
    middle = (SIZE[0] // 2, SIZE[1] // 2)
    levels = [print_and_photo(each, np.random.default_rng(0)).getpixel(middle)[0] for each in (black, white)]
    assert levels[0] > 10
    assert levels[1] < 250


def judged(logits: list[list[float]]) -> Judged:
    """Two shops of each label, two photos each: real ones first."""
    records = [
        make_record(f"{index}", fake=index >= 4, source=f"s{index // 2}", size=SIZE) for index in range(8)
    ]
    return Judged(records, np.array(logits))


def test_flips_are_counted_by_label_and_to_either_side():
    before = [-2.0, -2.0, -2.0, 2.0, 2.0, 2.0, 2.0, -2.0]
    after = [-2.0, -2.0, 2.0, -2.0, 2.0, 2.0, -2.0, -2.0]
    changes = (UNTOUCHED, change_named("JPEG 30"))
    untouched, changed = measure(judged([before, after]), changes, tiny_card(), replicates=50)
    assert (untouched.flipped_real.value, untouched.flipped_fake.value) == (0.0, 0.0)
    assert untouched.auroc_change.value == 0.0
    assert (changed.flipped_real.value, changed.flipped_fake.value) == (0.5, 0.25)
    assert (changed.specificity.value, changed.recall.value) == (0.75, 0.5)
    # 0.88 is below the tiny card's strict threshold of 0.9: nobody is accused.
    assert changed.strict_specificity.value == 1.0
    assert changed.auroc_change.value == pytest.approx(changed.auroc.value - untouched.auroc.value)
    assert changed.recall.low is not None


def test_figures_without_the_untouched_picture_are_refused():
    with pytest.raises(DataError, match="first change"):
        measure(judged([[0.0] * 8]), (change_named("JPEG 30"),), tiny_card())


def test_a_sample_has_both_labels_and_every_shop():
    records = [
        make_record(f"{shop}-{photo}", fake=shop % 2 == 1, source=f"s{shop}", size=SIZE)
        for shop in range(6)
        for photo in range(9)
    ]
    chosen = even_sample(records, 12)
    assert [sum(record.source == f"s{shop}" for record in chosen) for shop in range(6)] == [2] * 6
    again = even_sample(list(reversed(records)), 12)
    assert {record.photo_id for record in again} == {record.photo_id for record in chosen}


def test_a_fold_network_judges_under_the_released_card(tmp_path):
    fold = write_tiny_model(tmp_path / "fold.onnx", tiny_card(name="tiny-without-fold-0"))
    rules = tiny_card(calibration=Calibration(temperature=2.0, bias=1.0), metrics={"auroc": 0.9})
    copy = under_rules(fold, rules, tmp_path / "copy.onnx")
    assert read_card(copy).calibration == rules.calibration
    assert (read_card(copy).name, read_card(copy).metrics) == ("tiny", tiny_card().metrics)
    assert network_hash(copy) == network_hash(fold)
    with pytest.raises(DataError, match="rules are of"):
        under_rules(fold, tiny_card(version="9"), tmp_path / "other.onnx")


def test_a_network_that_knows_the_photos_is_refused(world: World):
    args = argparse.ArgumentParser()
    add_sample_options(args, 8)
    options = args.parse_args([*world.options(), "--select", "fold:0"])
    with pytest.raises(DataError, match="left out no fold"), open_sittings(options):
        pass


def test_the_command_writes_figures_page_and_plot(world: World, tmp_path):
    out = tmp_path / "out"
    assert main([*world.options(), "--photos", "8", "--replicates", "20", "--out", str(out)]) == 0
    found = Robustness.model_validate_json((out / "robustness.json").read_text())
    assert [row.name for row in found.rows] == [change.name for change in CHANGES]
    assert (found.sample.real, found.sample.fake, found.sample.select) == (4, 4, "test")
    # Red pictures are fakes to the tiny model, whatever the codec does.
    assert found.rows[0].auroc.value == found.rows[1].auroc.value == 1.0
    page = (out / "robustness.md").read_text()
    assert page == render(found)
    assert page.count("\n| ") == len(CHANGES) + 2
    with Image.open(out / "robustness.png") as plot:
        assert plot.size[0] > 300
    assert json.loads((out / "robustness.json").read_text())["policy"] == "balanced"


def test_folds_judge_only_their_own_fold(world: World, tmp_path, monkeypatch):
    for fold in range(2):
        (tmp_path / "folds" / str(fold)).mkdir(parents=True)
        world.without_fold(fold).rename(tmp_path / "folds" / str(fold) / "model.onnx")
    monkeypatch.setattr("src.evaluation.robustness_sample.FOLDS", 2)
    args = argparse.ArgumentParser()
    add_sample_options(args, 12)
    options = args.parse_args([*world.options(), "--folds", str(tmp_path / "folds")])
    with open_sittings(options) as (sittings, splits):
        assert [len(sitting.records) for sitting in sittings] == [6, 6]
        for fold, sitting in enumerate(sittings):
            assert {world.split_of[record.photo_id].fold for record in sitting.records} == {fold}
        assert splits
    swapped = tmp_path / "folds" / "0"
    swapped.rename(tmp_path / "folds" / "x")
    (tmp_path / "folds" / "1").rename(swapped)
    (tmp_path / "folds" / "x").rename(tmp_path / "folds" / "1")
    with pytest.raises(DataError, match="left out fold 1"), open_sittings(options):
        pass


def test_a_difference_shows_its_sign():
    assert signed(Figure(value=-0.01234, low=-0.02, high=0.0)) == "-0.012 (-0.020 to +0.000)"
    assert signed(Figure(value=None)) == "–"
