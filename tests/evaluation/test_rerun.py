"""Model files run anew: sound ones agree with themselves, unsound ones are found out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from src.evaluation.gates import hold_file_gates, missed
from src.evaluation.rerun import drawn_photos, rerun
from src.utils.errors import ModelError
from tests.support.tiny_model import write_tiny_model


def test_a_sound_file_passes_and_two_files_are_measured_together(tmp_path: Path) -> None:
    paths = [write_tiny_model(tmp_path / name) for name in ("a.onnx", "b.onnx")]
    runs = rerun(paths, drawn_photos(6))
    assert [each.photos for each in runs] == [6, 6]
    assert missed(hold_file_gates(runs[0], None)) == []
    assert runs[0].megabytes == pytest.approx(paths[0].stat().st_size / 1e6)
    assert runs[0].median_ms > 0


def test_drawn_photos_are_the_same_each_time_and_differ_among_themselves() -> None:
    assert drawn_photos() == drawn_photos()
    assert len(set(drawn_photos())) == len(drawn_photos())


def test_a_file_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        rerun([tmp_path / "gone.onnx"])


def test_embeddings_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "odd.onnx")
    model = onnx.load(path)
    stem = next(each for each in model.graph.initializer if each.name == "stem")
    weights = numpy_helper.to_array(stem).copy()
    weights[7] = np.inf  # feature 7 is no part of the logit: the head's weight for it is 0
    stem.CopyFrom(numpy_helper.from_array(weights, "stem"))
    onnx.save(model, path)
    try:
        (run,) = rerun([path], drawn_photos(3))
    except ModelError:
        return  # 0 x inf reached the logit, and the file was refused when it was loaded
    assert run.not_finite == 3
