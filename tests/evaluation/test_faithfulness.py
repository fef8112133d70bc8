"""The tests of the heatmap tell a map that points right from one that does not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from src.evaluation import faithfulness as command
from src.evaluation.faithfulness import measure, measure_halves
from src.evaluation.faithfulness_maps import area, cover, curves, orders, share_on_fake, splice
from src.evaluation.faithfulness_page import FRACTIONS, FaithfulnessReport
from src.inference.detection import Detection
from src.inference.detector import Detector
from src.utils.errors import DataError
from src.utils.model_card import ViewPlan
from tests.evaluation.conftest import World
from tests.support.tiny_model import tiny_card, write_tiny_model


@pytest.fixture(scope="module")
def detector(tmp_path_factory) -> Detector:
    """Sees the whole picture in 8 x 8 places."""
    views = ViewPlan(max_side=512, global_sizes=(256,), crop_size=32, crops=0, global_weight=1.0)
    path = write_tiny_model(tmp_path_factory.mktemp("m") / "tiny.onnx", tiny_card(views=views))
    return Detector.from_file(path, threads=1)


class Expert:
    """Judges by the texture in one cell, and shows a map that says so, or one that points to the contrary."""

    def __init__(self, detection: Detection, *, honest: bool) -> None:
        self.card = tiny_card()
        heat = np.full((8, 8), 0.2)
        heat[2, 5] = 0.9
        shown = heat if honest else 1.0 - heat
        self._found = detection.model_copy(update={"heatmap": shown.tolist()})

    def detect(self, photo: Image.Image) -> Detection:
        texture = float(np.asarray(photo.convert("L"))[64:96, 160:192].std())
        probability = min(0.99, texture / 50)
        label = "ai_generated" if probability >= 0.5 else "real"
        return self._found.model_copy(
            update={
                "label": label,
                "probability": probability,
                "confidence": max(probability, 1 - probability),
            }
        )


def textured() -> Image.Image:
    """Noise everywhere."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8))


def test_the_map_of_a_right_pointer_beats_chance_and_centre_and_a_liars_loses(detector) -> None:
    for honest in (True, False):
        found = curves(Expert(detector.detect(textured()), honest=honest), textured(), seed=1)
        for other in ("random", "centre"):
            assert (area(found["deletion", "map"]) < area(found["deletion", other])) is honest
            assert (area(found["insertion", "map"]) > area(found["insertion", other])) is honest


def test_all_curves_share_their_ends(detector) -> None:
    found = curves(detector, textured(), seed=1)
    assert {len(each) for each in found.values()} == {len(FRACTIONS)}
    assert len({each[0] for (test, _), each in found.items() if test == "deletion"}) == 1
    for order in ("map", "random", "centre"):
        assert found["deletion", order][0] == found["insertion", order][-1]
        assert found["deletion", order][-1] == found["insertion", order][0]


def test_orders_are_permutations_and_the_map_of_a_real_photo_is_read_from_below() -> None:
    heat = np.linspace(0, 1, 64).reshape(8, 8)
    for fake, first in ((True, 63), (False, 0)):
        found = orders(heat, fake=fake, seed=0)
        assert all(sorted(cells.tolist()) == list(range(64)) for cells in found.values())
        assert found["map"][0] == first
        assert found["centre"][0] in {27, 28, 35, 36}


def test_covering_touches_the_named_cells_alone() -> None:
    white, black = Image.new("RGB", (80, 80), "white"), Image.new("RGB", (80, 80), "black")
    pixels = np.asarray(cover(white, black, np.array([0, 63]), 8))[..., 0]
    assert pixels[:10, :10].max() == 0
    assert pixels[-10:, -10:].max() == 0
    assert (pixels == 0).sum() == 200


def test_area_is_that_of_the_trapezoids() -> None:
    assert area([1.0] * len(FRACTIONS)) == pytest.approx(1.0)
    assert area(list(FRACTIONS)) == pytest.approx(0.5)


@pytest.mark.parametrize("upright", [True, False])
@pytest.mark.parametrize("fake_first", [True, False])
def test_a_splice_has_a_half_of_each_and_the_map_falls_on_the_fake_one(detector, upright, fake_first) -> None:
    blue, red = Image.new("RGB", (256, 320), (40, 90, 230)), Image.new("RGB", (256, 256), (230, 90, 40))
    joined = splice(blue, red, upright=upright, fake_first=fake_first)
    assert joined.size == (256, 256)
    pixels = np.asarray(joined).astype(int)
    reddish = pixels[..., 0] > pixels[..., 2]
    assert 0.45 < reddish.mean() < 0.55
    assert reddish[10, 10] == fake_first
    heat = np.array(detector.detect(joined).heatmap)
    assert share_on_fake(heat, upright=upright, fake_first=fake_first) > 0.9
    assert share_on_fake(heat, upright=upright, fake_first=not fake_first) < 0.1


def test_over_a_set_the_halves_are_found_and_wrong_verdicts_are_left_out(world: World) -> None:
    detector = Detector.from_file(world.model, threads=1)
    count, points, mass = measure_halves(detector, world.records, world.raw)
    assert count == 12
    assert points.value == 1.0
    assert mass.value is not None
    assert mass.value > 0.6
    swapped = [
        record.model_copy(update={"label": "real" if record.label == "ai_generated" else "ai_generated"})
        for record in world.records
    ]
    with pytest.raises(DataError, match="no photo"):
        measure(detector, swapped, world.raw)


def test_the_command_writes_figures_with_intervals(world: World, tmp_path, capsys) -> None:
    folder = tmp_path / "report"
    command.main(
        [*world.options(), "--photos", "8", "--halves", "4", "--report", str(folder), "--select", "test"]
    )
    report = FaithfulnessReport.model_validate_json((folder / "faithfulness.json").read_text())
    assert {(curve.test, curve.order) for curve in report.curves} == {
        (test, order) for test in ("deletion", "insertion") for order in ("map", "random", "centre")
    }
    assert report.halves == 4
    assert all((curve.map_ahead is None) == (curve.order == "map") for curve in report.curves)
    page = (folder / "faithfulness.md").read_text()
    assert "Not shown to be better" in page
    assert page in capsys.readouterr().out
