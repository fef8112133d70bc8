"""The model card is strict, frozen, and the same after a trip through the file's metadata."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from src.utils.errors import ModelError, PolicyError
from src.utils.model_card import Calibration, ModelCard, Policy, ViewPlan


def make_card(**changes: Any) -> ModelCard:
    fields: dict[str, Any] = {
        "name": "detector",
        "version": "1.2.3",
        "architecture": "efficientnet_b0",
        "views": ViewPlan(),
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "calibration": Calibration(temperature=1.5, bias=-0.25),
        "policies": {
            "balanced": Policy(threshold=0.5, review_low=0.4, review_high=0.6),
            "high_recall": Policy(threshold=0.2, review_low=0.1, review_high=0.3),
        },
        "metrics": {"auroc": 0.97},
        "data_hash": "abc",
        "git_commit": "def",
        "created": "2025-01-01T00:00:00Z",
    }
    return ModelCard(**(fields | changes))


def test_json_round_trip_loses_nothing() -> None:
    card = make_card()
    assert ModelCard.from_json(card.to_json()) == card


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"name": "x"}', '{"name": NaN}'])
def test_bad_json_is_a_model_error(text: str) -> None:
    with pytest.raises(ModelError, match="invalid model card") as caught:
        ModelCard.from_json(text)
    assert caught.value.code == "model_invalid"


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("surprise",), 1, "surprise"),
        (("views", "global_sizes"), [-1], "views.global_sizes.0"),
        (("views", "zoom"), 2, "views.zoom"),
        (("calibration", "temperature"), 0, "calibration.temperature"),
        (("default_policy",), "missing", "default policy"),
        (("std",), [0.1, 0.0, 0.1], "std"),
        (("mean",), [0.1, 0.2], "mean"),
        (("policies", "balanced", "threshold"), 0.9, "policies.balanced"),
    ],
)
def test_a_card_with_a_wrong_value_names_the_field(path: tuple[str, ...], value: object, where: str) -> None:
    document = json.loads(make_card().to_json())
    node = document
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with pytest.raises(ModelError, match=where):
        ModelCard.from_json(json.dumps(document))


def test_card_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        make_card().version = "2"  # type: ignore[misc]


def test_policy_resolution() -> None:
    card = make_card()
    assert card.policy() == ("balanced", card.policies["balanced"])
    assert card.policy("high_recall")[1].threshold == 0.2
    with pytest.raises(PolicyError, match="balanced, high_recall") as caught:
        card.policy("nonsense")
    assert caught.value.code == "unknown_policy"
    assert "nonsense" not in str(caught.value)


@given(
    logit=st.floats(-1e6, 1e6),
    other=st.floats(-1e6, 1e6),
    temperature=st.floats(0.05, 20.0),
    bias=st.floats(-5.0, 5.0),
)
def test_probability_is_bounded_and_monotonic(
    logit: float, other: float, temperature: float, bias: float
) -> None:
    calibration = Calibration(temperature=temperature, bias=bias)
    low, high = sorted((logit, other))
    assert 0.0 <= calibration.probability(low) <= calibration.probability(high) <= 1.0


def test_probability_of_an_array_equals_that_of_its_items() -> None:
    calibration = Calibration(temperature=2.0, bias=0.5)
    logits = np.array([[-3.0, 0.0], [1.0, 40.0]], dtype=np.float32)
    result = calibration.probability(logits)
    assert result.shape == (2, 2)
    assert result.dtype == np.float64
    assert result[1, 0] == pytest.approx(calibration.probability(1.0))
    assert calibration.probability(1.0) == pytest.approx(1 / (1 + math.exp(-1.0)))


def test_review_band_is_half_open_and_threshold_inclusive() -> None:
    policy = Policy(threshold=0.5, review_low=0.4, review_high=0.6)
    assert [policy.is_fake(p) for p in (0.4999, 0.5)] == [False, True]
    assert [policy.needs_review(p) for p in (0.39, 0.4, 0.59, 0.6)] == [False, True, True, False]
