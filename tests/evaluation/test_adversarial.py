"""Attacks: the gradient is right, the budget is kept, the attack works, and its figures are its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from src.evaluation.adversarial import Adversarial, main, measure, render
from src.evaluation.adversarial_attack import Target, attack, defend, pull_back, resampling
from src.evaluation.adversarial_gradient import gradient_of
from src.evaluation.score import score_image
from src.imaging.views import whole
from src.inference.detector import Detector
from src.utils.errors import ConfigError, ModelError
from src.utils.model_card import METADATA_KEY, ModelCard, ViewPlan
from tests.evaluation.conftest import World, make_record
from tests.support.pictures import picture
from tests.support.tiny_model import tiny_card

WHOLE_VIEWS = ViewPlan(max_side=128, global_sizes=(64, 32), crop_size=32, crops=0, global_weight=1.0)


def conv_model(path: Path, card: ModelCard, last: str = "Gather") -> Path:
    """A small network of the operations that a released one has, with a residual and a depthwise step."""
    rng = np.random.default_rng(1)
    weights: dict[str, Any] = {
        "stem": rng.normal(0, 0.5, (8, 3, 3, 3)),
        "wide": rng.normal(0, 0.4, (16, 8, 1, 1)),
        "deep": rng.normal(0, 0.4, (16, 1, 5, 5)),
        "narrow": rng.normal(0, 0.3, (8, 16, 1, 1)),
        "down": rng.normal(0, 0.3, (8, 1, 3, 3)),
        "head": rng.normal(0, 2.0, (1, 8)),
        "bias": np.zeros(1),
        "low": np.array(0.0),
        "high": np.array(6.0),
        "gain": np.full((1, 8, 1, 1), 1.0),
    }
    constants = {name: np.asarray(each, np.float32) for name, each in weights.items()}
    constants |= {"plane": np.array([2, 3]), "first": np.array(0), "line": np.array([1, -1])}
    nodes = [
        helper.make_node("Conv", ["image", "stem"], ["a"], strides=[2, 2], pads=[0, 0, 1, 1]),
        helper.make_node("Clip", ["a", "low", "high"], ["b"]),
        helper.make_node("Conv", ["b", "wide"], ["c"]),
        helper.make_node("Clip", ["c", "low", "high"], ["d"]),
        helper.make_node("Conv", ["d", "deep"], ["e"], group=16, pads=[2, 2, 2, 2]),
        helper.make_node("Conv", ["e", "narrow"], ["f"]),
        helper.make_node("Add", ["f", "b"], ["g"]),
        helper.make_node("Conv", ["g", "down"], ["h"], group=8, strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid" if last == "Sigmoid" else "Identity", ["h"], ["i"]),
        helper.make_node("ReduceMean", ["i", "plane"], ["embedding"], keepdims=0),
        helper.make_node("Gemm", ["embedding", "head", "bias"], ["column"], transB=1),
        helper.make_node("Gather", ["column", "first"], ["logit"], axis=1),
        helper.make_node("ReduceMean", ["h", "first_axis"], ["cam"], keepdims=0),
    ]
    constants["first_axis"] = np.array([1])
    outputs = {"logit": ["N"], "embedding": ["N", 8], "cam": ["N", "h", "w"]}
    graph = helper.make_graph(
        nodes,
        "conv",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(each, name) for name, each in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    onnx.save(model, str(path))
    return path


@pytest.fixture
def card() -> ModelCard:
    return tiny_card(views=WHOLE_VIEWS)


@pytest.fixture
def model(tmp_path: Path, card: ModelCard) -> Path:
    return conv_model(tmp_path / "conv.onnx", card)


def test_the_gradient_is_that_of_small_differences(model):
    rng = np.random.default_rng(0)
    gradient = gradient_of(model, 32, 64)
    image = rng.normal(0, 0.5, (1, 3, 32, 64)).astype(np.float32)
    logit, slope = gradient(image)
    assert slope.shape == image.shape
    for _ in range(12):
        at = tuple(int(rng.integers(0, size)) for size in image.shape)
        step = np.zeros_like(image)
        step[at] = 2e-3
        measured = (gradient(image + step)[0] - gradient(image - step)[0]) / 4e-3
        assert measured == pytest.approx(slope[at], abs=2e-3)
    assert np.abs(slope).max() > 0.01
    assert np.isfinite(logit)


def test_an_operation_without_a_known_derivative_is_refused(tmp_path, card):
    with pytest.raises(ModelError, match="no derivative of Sigmoid"):
        gradient_of(conv_model(tmp_path / "s.onnx", card, last="Sigmoid"), 32, 32)


def test_the_matrix_is_pillows_filter():
    rng = np.random.default_rng(2)
    plane = rng.uniform(0, 255, (40, 50)).astype(np.float32)
    small = np.asarray(Image.fromarray(plane).resize((30, 24), Image.Resampling.BICUBIC), np.float64)
    by_matrix = resampling(40, 24) @ plane @ resampling(50, 30).T
    assert np.abs(by_matrix - small).max() < 0.01
    # <resized, slope> = <picture, pulled back slope>: what makes it the gradient.
    slope = rng.normal(size=(24, 30, 1))
    assert float((by_matrix[..., None] * slope).sum()) == pytest.approx(
        float((plane[..., None] * pull_back(slope, (50, 40))).sum())
    )


@pytest.mark.parametrize("through", [False, True])
@pytest.mark.parametrize("raise_logit", [False, True])
def test_an_attack_moves_the_logit_within_its_budget(model, card, raise_logit, through):
    image = whole(picture(7, (96, 96)), 64)
    target, detector = Target(model, card), Detector.from_file(model, threads=1)
    changed = attack(
        image,
        target.slope_through_defence if through else target.slope,
        epsilon=2,
        steps=5,
        raise_logit=raise_logit,
        rng=np.random.default_rng(0),
    )
    moved = np.abs(np.asarray(changed, np.int16) - np.asarray(image, np.int16))
    assert moved.max() == 2

    def logit(picture_: Image.Image) -> float:
        return score_image(detector, defend(picture_) if through else picture_).combined

    gained = logit(changed) - logit(image)
    assert gained > 0.02 if raise_logit else gained < -0.02


def test_a_random_change_of_that_size_moves_it_far_less(model, card):
    image, detector = whole(picture(7, (96, 96)), 64), Detector.from_file(model, threads=1)
    rng = np.random.default_rng(3)
    noise = rng.choice([-2, 2], (64, 64, 3))
    noisy = Image.fromarray(np.clip(np.asarray(image, np.int16) + noise, 0, 255).astype(np.uint8))
    led = attack(image, Target(model, card).slope, epsilon=2, steps=5, raise_logit=True, rng=rng)
    before = score_image(detector, image).combined
    by_chance = abs(score_image(detector, noisy).combined - before)
    assert score_image(detector, led).combined - before > 3 * by_chance


def test_crops_are_beyond_this_attack(model):
    with pytest.raises(ConfigError, match="crops"):
        Target(model, tiny_card())


def test_right_verdicts_are_counted_by_strength_and_setting():
    records = [make_record(f"{n}", fake=n > 1, source=f"s{n}", size=(64, 64)) for n in range(4)]
    accused = [(False, False), (False, True), (True, False), (True, True)]
    labels = [{(0, "none"): before, (2, "aware"): after} for before, after in accused]
    first, second = measure(records, labels, replicates=10)
    assert (first.accuracy.value, first.recall.value, first.specificity.value) == (1.0, 1.0, 1.0)
    assert (second.epsilon, second.setting) == (2, "aware")
    assert (second.accuracy.value, second.recall.value, second.specificity.value) == (0.5, 0.5, 0.5)


def test_the_command_writes_figures_and_page(world: World, tmp_path):
    plan = {"views": WHOLE_VIEWS, "training": world.card().training}
    model = conv_model(tmp_path / "attacked.onnx", tiny_card(**plan))
    options = [*world.options()[2:], "--model", str(model), "--photos", "4", "--steps", "2"]
    assert main([*options, "--epsilons", "0", "3", "--out", str(tmp_path)]) == 0
    found = Adversarial.model_validate_json((tmp_path / "adversarial.json").read_text())
    assert [(row.epsilon, row.setting) for row in found.rows] == [
        (epsilon, setting) for epsilon in (0, 3) for setting in ("none", "unaware", "aware")
    ]
    assert (tmp_path / "adversarial.md").read_text() == render(found)
