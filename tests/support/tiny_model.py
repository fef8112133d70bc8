"""A model file of the released contract, made in milliseconds, to which red photos are "AI-generated".

The logit is GAIN x (mean red - mean blue) of a view, in normalised units: every verdict is known in advance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from src.utils.model_card import METADATA_KEY, Calibration, ModelCard, Policy, ViewPlan

GAIN = 2.0
STRIDE = 32
FEATURES = 1280
GREY = (0.5, 0.5, 0.5)


def tiny_card(**changes: Any) -> ModelCard:
    """A valid card with small views; `changes` replace fields."""
    fields: dict[str, Any] = {
        "name": "tiny",
        "version": "0.0.1",
        "architecture": "tiny_conv",
        "views": ViewPlan(max_side=256, global_sizes=(64,), crop_size=32, crops=2, global_weight=0.5),
        "mean": GREY,
        "std": GREY,
        "calibration": Calibration(),
        "policies": {
            "balanced": Policy(
                threshold=0.5, review_low=0.4, review_high=0.6, description="Fewest mistakes."
            ),
            "low_false_positive": Policy(threshold=0.9, review_low=0.8, review_high=0.95),
            "high_recall": Policy(threshold=0.1, review_low=0.05, review_high=0.2),
        },
        "metrics": {"auroc": 0.5},
        "data_hash": "0" * 16,
        "git_commit": "0" * 40,
        "created": "2025-01-01T00:00:00Z",
    }
    return ModelCard(**(fields | changes))


def expected_logit(red: int, blue: int) -> float:
    """The logit of a plain picture with these channel values (0..255)."""
    return GAIN * (red - blue) / 255 / GREY[0]


def tiny_graph() -> onnx.ModelProto:
    """image [N, 3, H, W] → logit [N], embedding [N, 1280], cam [N, H / 32, W / 32]; no card yet."""
    rng = np.random.default_rng(0)
    stem = (0.05 * rng.standard_normal((FEATURES, 3, 1, 1))).astype(np.float32)
    stem[0, :, 0, 0], stem[1, :, 0, 0] = (1, 0, 0), (0, 0, 1)
    head = np.zeros((1, FEATURES, 1, 1), np.float32)
    head[0, :2, 0, 0] = GAIN, -GAIN
    nodes = [
        helper.make_node(
            "AveragePool", ["image"], ["pooled"], kernel_shape=[STRIDE] * 2, strides=[STRIDE] * 2
        ),
        helper.make_node("Conv", ["pooled", "stem"], ["features"]),
        helper.make_node("ReduceMean", ["features", "space"], ["embedding"], keepdims=0),
        helper.make_node("Conv", ["features", "head"], ["maps"]),
        helper.make_node("Squeeze", ["maps", "channel"], ["cam"]),
        helper.make_node("ReduceMean", ["cam", "plane"], ["logit"], keepdims=0),
    ]
    constants: dict[str, Any] = {
        "stem": stem,
        "head": head,
        "space": np.array([2, 3], np.int64),
        "channel": np.array([1], np.int64),
        "plane": np.array([1, 2], np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", FEATURES]),
            helper.make_tensor_value_info("cam", TensorProto.FLOAT, ["N", "h", "w"]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def write_tiny_model(path: Path, card: ModelCard | None = None) -> Path:
    """Write the model with `card` (or the standard tiny card) in its metadata; returns `path`."""
    model = tiny_graph()
    helper.set_model_props(model, {METADATA_KEY: (card or tiny_card()).to_json()})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path
